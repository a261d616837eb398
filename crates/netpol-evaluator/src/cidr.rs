//! Address blocks as NetworkPolicies write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses, `10.244.0.0/16`. Bits below the prefix are ignored, as the API server
/// does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// A text that is not an address block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address block; use ADDRESS/PREFIX, such as 10.0.0.0/8")]
pub struct CidrError(String);

impl Cidr {
    /// Whether every address of the family is in the block.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    /// Whether the block lies in a range that is not routed on the internet.
    #[must_use]
    pub fn is_private(&self) -> bool {
        const RANGES: [(IpAddr, u8); 8] = [
            (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
            (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
            (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
            (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
            (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
            (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
            (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
            (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
        ];
        RANGES.into_iter().any(|(address, prefix)| self.is_inside(&Self { address, prefix }))
    }

    /// Whether the whole block lies in another.
    #[must_use]
    pub fn is_inside(&self, other: &Self) -> bool {
        self.prefix >= other.prefix && other.contains(self.address)
    }

    /// The block of one address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether `address` is in the block; an address of the other family never is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (block, candidate, width) = match (self.address, address) {
            (IpAddr::V4(block), IpAddr::V4(candidate)) => {
                (u128::from(block.to_bits()), u128::from(candidate.to_bits()), 32)
            }
            (IpAddr::V6(block), IpAddr::V6(candidate)) => {
                (block.to_bits(), candidate.to_bits(), 128)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let shift = width - u32::from(self.prefix);
        // a shift by the whole width is not defined for integers; a prefix of zero holds every
        // address
        shift == 128 || (block >> shift) == (candidate >> shift)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let wrong = || CidrError(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        if prefix > widest {
            return Err(wrong());
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_their_addresses() {
        for (block, address, expected) in [
            ("0.0.0.0/0", "203.0.113.7", true),
            ("10.244.0.0/16", "10.244.7.1", true),
            ("10.244.0.0/16", "10.245.0.1", false),
            ("10.0.0.7/32", "10.0.0.7", true),
            ("10.0.0.7/32", "10.0.0.6", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let cidr: Cidr = block.parse().unwrap();
            assert_eq!(cidr.contains(address.parse().unwrap()), expected, "{block} {address}");
        }
    }

    #[test]
    fn what_is_not_a_block_is_refused() {
        for text in ["", "10.0.0.1", "10.0.0.0/33", "10.0.0/8", "a/8", "10.0.0.0/-1", "::/129"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
