//! The key of a state directory: for digests of what must not be guessed from a journal, and for
//! seals that only who has it can make.

use super::Error;
use super::directory::{Durability, make_dirs, private, sync_dir};
use crate::encoding::hex;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The key, from a file beside the runs and in none of their directories: whoever is given a
/// journal is not given it.
#[derive(Clone, Debug)]
pub struct Key(hmac::Key);

impl Key {
    /// The key of this state directory. It is made when it is needed first.
    ///
    /// # Errors
    /// When it cannot be read or made, or when the file holds something else.
    pub fn of(state_dir: &Path, durability: Durability) -> Result<Self, Error> {
        let path = state_dir.join("key");
        if !path.exists() {
            make(state_dir, &path, durability)?;
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|source| Error::from_io("read", &path, source))?;
        let bytes = bytes(text.trim_end()).ok_or(Error::Key { path })?;
        Ok(Self(hmac::Key::new(HMAC_SHA256, &bytes)))
    }

    /// A digest of these texts. Without the key nobody can make it, or try which texts give it.
    pub fn digest(&self, texts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for text in texts {
            // their lengths keep them apart
            context.update(&(text.len() as u64).to_le_bytes());
            context.update(text.as_bytes());
        }
        format!("hmac-sha256:{}", hex(context.sign().as_ref()))
    }
}

/// Whole or not at all, also where two processes do it at once: the first one's counts.
fn make(state_dir: &Path, path: &Path, durability: Durability) -> Result<(), Error> {
    make_dirs(state_dir)?;
    let mut key = [0; 32];
    let no_random = |_| {
        Error::from_io(
            "make",
            path,
            std::io::Error::other(
                "the system provides no random \
            bytes",
            ),
        )
    };
    SystemRandom::new().fill(&mut key).map_err(no_random)?;
    let temporary: PathBuf = state_dir.join(format!(".key.{}.tmp", std::process::id()));
    let write = || {
        let mut file = private().write(true).create(true).truncate(true).open(&temporary)?;
        writeln!(file, "{}", hex(&key))?;
        durability.file(&file)?;
        match std::fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    };
    let made = write().map_err(|source| Error::from_io("write", path, source));
    // what is wrong is said already
    std::fs::remove_file(&temporary).ok();
    made?;
    sync_dir(state_dir, durability)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| {
        (0..32).filter_map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("new");
        let digest = Key::of(&folder, Durability::Lazy).unwrap().digest(&["a", "b"]);
        assert_eq!(Key::of(&folder, Durability::Lazy).unwrap().digest(&["a", "b"]), digest);
        assert_ne!(
            Key::of(&folder, Durability::Lazy).unwrap().digest(&["ab", ""]),
            digest,
            "texts are kept apart"
        );
        assert_ne!(
            Key::of(state.path(), Durability::Lazy).unwrap().digest(&["a", "b"]),
            digest,
            "another key"
        );
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                std::fs::metadata(folder.join("key")).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        for wrong in ["", "abc\n", &"g".repeat(64), &"é".repeat(32)] {
            std::fs::write(folder.join("key"), wrong).unwrap();
            assert!(
                matches!(Key::of(&folder, Durability::Lazy), Err(Error::Key { .. })),
                "{wrong}"
            );
        }
    }
}
