//! The end of a file of Redis: the byte 0xff, then a CRC-64 of everything before it (since version
//! 5 of the format).

/// The polynomial of Jones, reflected.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
const TABLE: [u64; 256] = table();
/// The checksum, in bytes.
const LENGTH: usize = 8;
/// The byte before it.
const END: u8 = 0xff;
/// The first version of the format with a checksum.
const WITH_CHECKSUM: u32 = 5;

const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// The checksum of a stream whose last bytes contain it.
#[derive(Clone, Debug, Default)]
pub(in crate::action) struct Checksum {
    value: u64,
    /// `REDIS0011`
    head: Vec<u8>,
    /// The last byte that counts.
    last: u8,
    /// The bytes behind it, which may be the checksum itself.
    held: Vec<u8>,
}

impl Checksum {
    /// More of the stream.
    pub(in crate::action) fn push(&mut self, data: &[u8]) {
        let room = 9 - self.head.len();
        self.head.extend_from_slice(&data[..data.len().min(room)]);
        self.held.extend_from_slice(data);
        let known = self.held.len().saturating_sub(LENGTH);
        for byte in self.held.drain(..known) {
            let [low, ..] = self.value.to_le_bytes();
            self.value = TABLE[usize::from(low ^ byte)] ^ (self.value >> 8);
            self.last = byte;
        }
    }

    /// What is wrong with the end of the file.
    pub(in crate::action) fn problem(&self) -> Option<String> {
        let version = std::str::from_utf8(self.head.get(5..9)?).ok()?.parse::<u32>().ok()?;
        if version < WITH_CHECKSUM {
            return None;
        }
        match <[u8; LENGTH]>::try_from(self.held.as_slice()).map(u64::from_le_bytes) {
            Ok(_) if self.last != END => Some("is incomplete: it has no end".to_owned()),
            // 0: the server computes none (`rdbchecksum no`)
            Ok(stored) if stored == 0 || stored == self.value => None,
            _ => Some("is incomplete or damaged: its checksum does not fit".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        // redis: crc64(0, "123456789", 9)
        let mut checksum = Checksum::default();
        checksum.push(b"1234");
        checksum.push(b"56789\0\0\0\0\0\0\0\0");
        assert_eq!(checksum.value, 0xe9c6_d914_c4b8_d9ca);
        let file = |body: &[u8], sum: Option<u64>| {
            let mut checksum = Checksum::default();
            checksum.push(body);
            let sum = sum.unwrap_or_else(|| {
                let mut whole = checksum.clone();
                whole.push(&[0; LENGTH]);
                whole.value
            });
            checksum.push(&sum.to_le_bytes());
            checksum.problem()
        };
        let body = b"REDIS0010\xfa\x01a\x01b\xff";
        assert_eq!(file(body, None), None);
        assert_eq!(file(body, Some(0)), None);
        assert!(file(body, Some(1)).unwrap().contains("does not fit"));
        assert!(file(b"REDIS0010\xfa\x01a", None).unwrap().contains("no end"));
        // before there were checksums
        assert_eq!(file(b"REDIS0004\xff", Some(7)), None);
    }
}
