//! Whether a file is the backup that its record says it is.

use super::backup_format::{BackupFormat, Edges, Expected, Problem};
use super::backup_store::{BackupRecord, Origin, record_of};
use crate::encoding::hex;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::action) struct Checked {
    pub(in crate::action) exists: bool,
    pub(in crate::action) bytes: u64,
    pub(in crate::action) sha256: String,
    pub(in crate::action) format: Option<BackupFormat>,
    pub(in crate::action) record: Option<BackupRecord>,
    /// Why it is no backup; none if it is one.
    pub(in crate::action) problem: Option<Problem>,
}

/// Opens a regular file; nothing else blocks whoever opens it.
///
/// # Errors
/// When it cannot be opened, or is something else.
pub(in crate::action) fn open(path: &Path) -> std::io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    Ok(file)
}

/// Reads all of a file, and compares it with its record and with the digest that is expected.
pub(in crate::action) fn check(
    path: &Path,
    sha256: Option<&str>,
    format: Option<BackupFormat>,
) -> Checked {
    let problem =
        |id, text: String| Checked { problem: Some(Problem::new(id, text)), ..Checked::default() };
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return problem("missing", "does not exist".to_owned());
        }
        Err(error) => return problem("unread", format!("cannot be read: {error}")),
    };
    let record = record_of(path);
    let known = record.as_ref().ok().and_then(Option::as_ref);
    let format = format.or_else(|| known?.format);
    let expected = Expected { format, ..Expected::default() };
    let (mut hash, mut edges) = (Sha256::new(), Edges::new(&expected));
    let mut buffer = vec![0; 512 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hash.update(&buffer[..count]);
                edges.push(&buffer[..count]);
            }
            Err(error) => return problem("unread", format!("cannot be read: {error}")),
        }
    }
    let found = Checked {
        exists: true,
        bytes: edges.bytes(),
        sha256: hex(&hash.finalize()),
        format,
        ..Checked::default()
    };
    let problem = match &record {
        Err(error) => Some(Problem::new("no_record", error.clone())),
        Ok(record) => found.differs(record.as_ref(), sha256),
    };
    let problem = problem.or_else(|| edges.problem(&expected));
    Checked { problem, record: record.unwrap_or_default(), ..found }
}

impl Checked {
    /// A good backup from elsewhere is a problem, too. A record that does not know its cluster (of an
    /// earlier version, or because it could not be read) says only of which namespace it is.
    pub(in crate::action) fn must_be_of(&mut self, origin: &Origin) {
        let Some(record) = self.record.as_ref().filter(|_| self.problem.is_none()) else { return };
        if record.namespace != origin.namespace {
            let (has, wants) = (&record.namespace, &origin.namespace);
            let text = format!("is a backup of namespace {has}, not of {wants}");
            self.problem = Some(Problem::new("elsewhere", text));
        } else if let (Some(has), Some(wants)) = (&record.cluster, &origin.cluster)
            && has != wants
        {
            let text = format!("is a backup of another cluster ({has}, this one is {wants})");
            self.problem = Some(Problem::new("elsewhere", text));
        }
    }

    /// Where it differs from what it must be.
    fn differs(&self, record: Option<&BackupRecord>, sha256: Option<&str>) -> Option<Problem> {
        let wrong = |says: &str, digest: &str, bytes: Option<u64>| {
            let bytes = bytes.filter(|bytes| *bytes != self.bytes);
            let size = bytes.map(|bytes| format!(" ({bytes} bytes, not {})", self.bytes));
            let text = format!(
                "is not what {says}: the SHA-256 is {}, not {digest}{}",
                self.sha256,
                size.unwrap_or_default()
            );
            (!self.sha256.eq_ignore_ascii_case(digest)).then(|| Problem::new("digest", text))
        };
        if let Some(digest) = sha256 {
            return wrong("is expected", digest, None);
        }
        match record {
            Some(record) => wrong("its record says", &record.sha256, Some(record.bytes)),
            None => Some(Problem::new(
                "no_record",
                "has no record beside it: pass the `sha256` that it must have",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::support::backup_store::Store;

    #[test]
    fn a_file_is_what_its_record_says() {
        let place = tempfile::tempdir().unwrap();
        let store = Store {
            directory: place.path().to_owned(),
            name: "db".to_owned(),
            extension: "sql".to_owned(),
            origin: Origin::default(),
        };
        let text = "--\n-- PostgreSQL database dump\n--\n\n-- PostgreSQL database dump complete\n";
        let now = jiff::Timestamp::from_second(1_796_000_000).unwrap();
        let (mut partial, _) = store.begin(now).unwrap();
        partial.write(text.as_bytes()).unwrap();
        let sha256 = hex(&Sha256::digest(text));
        let record = BackupRecord {
            schema: BackupRecord::schema(),
            name: "db".to_owned(),
            file: store.file_name(now),
            bytes: text.len() as u64,
            sha256: sha256.clone(),
            format: Some(BackupFormat::PgDump),
            created: now,
            run: "01RUN".to_owned(),
            cluster: Some("c1".to_owned()),
            namespace: "n".to_owned(),
            pod: "p".to_owned(),
            container: None,
        };
        partial.publish(&record).unwrap();
        let file = place.path().join(&record.file);
        let id =
            |path: &Path, sha256: Option<&str>| check(path, sha256, None).problem.map(|p| p.id);
        assert_eq!(id(&file, None), None);
        assert_eq!(id(&file, Some(&sha256.to_uppercase())), None);
        assert_eq!(id(&file, Some("00")), Some("digest"));
        let of = |namespace: &str, cluster: Option<&str>| {
            let mut checked = check(&file, None, None);
            let cluster = cluster.map(str::to_owned);
            checked.must_be_of(&Origin { cluster, namespace: namespace.to_owned() });
            checked.problem.map(|problem| problem.text)
        };
        assert_eq!(of("n", Some("c1")), None);
        // a cluster whose identity cannot be read may be this one
        assert_eq!(of("n", None), None);
        assert_eq!(
            of("n", Some("c2")).unwrap(),
            "is a backup of another cluster (c1, this one is c2)"
        );
        assert_eq!(of("m", Some("c1")).unwrap(), "is a backup of namespace n, not of m");
        std::fs::write(&file, text.replace("complete", "c0mplete")).unwrap();
        assert_eq!(id(&file, None), Some("digest"));
        // a record that agrees does not make it complete
        let cut = "--\n-- PostgreSQL database dump\n--\n";
        std::fs::write(&file, cut).unwrap();
        assert_eq!(id(&file, Some(&hex(&Sha256::digest(cut)))), Some("truncated"));
        let alone = place.path().join("alone.sql");
        assert_eq!(id(&alone, None), Some("missing"));
        std::fs::write(&alone, text).unwrap();
        assert_eq!(id(&alone, None), Some("no_record"));
        assert_eq!(id(&alone, Some(&sha256)), None);
        std::fs::write(place.path().join("alone.sql.json"), "{").unwrap();
        assert_eq!(id(&alone, None), Some("no_record"));
        assert_eq!(id(place.path(), None), Some("unread"));
    }
}
