//! One process at a time runs workers on a data directory, and says who it is.

use std::fmt;
use std::fs::{File, OpenOptions as FileOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{OpenError, OpenOptions};

/// How often a lock that is held is tried again: whoever only looks who holds it has it for an
/// instant.
const TRIES: u32 = 5;
/// How long between two tries.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// The most that is read of what the holder wrote.
const DESCRIPTION_BYTES_MAX: u64 = 4096;

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Since when.
    pub started_at: Timestamp,
    /// Which workers it runs.
    pub workers: Vec<String>,
    /// The consumer groups they are members of.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// The refusal: another process runs workers here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBy {
    /// Where.
    pub directory: PathBuf,
    /// Who, if it has told.
    pub holder: Option<Holder>,
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = self.directory.display();
        match &self.holder {
            Some(Holder { pid, started_at, workers, .. }) => {
                let workers = workers.join(", ");
                write!(f, "process {pid} has been running workers ({workers}) on {directory} since {started_at:.0}")?;
            }
            None => write!(f, "another process is running workers on {directory}")?,
        }
        f.write_str(": one process at a time can. End it, or use another --data or --namespace")
    }
}

/// Why the lock was not got.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{0}")]
    HeldBy(HeldBy),
    /// The lock file can't be used.
    #[error(
        "the lock file {} can't be used: {problem}. Give this user the right to write the data directory and all files \
         in it, or choose another with --data",
        file.display()
    )]
    Unusable {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        problem: std::io::Error,
    },
    /// The directory can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// The right to run workers on a data directory; given back when it is dropped, and by the system
/// when the process ends, however it ends.
#[derive(Debug)]
pub struct WorkersLock {
    file: File,
}

impl WorkersLock {
    /// Takes the lock, or says who has it. The directory must exist or be creatable.
    ///
    /// # Errors
    /// [`LockError::HeldBy`] while another process, or another lock of this one, has it.
    pub fn acquire(options: &OpenOptions, description: &Holder) -> Result<Self, LockError> {
        let path = options.lock_file()?;
        options.create_directory()?;
        let unusable = |problem| LockError::Unusable { file: path.clone(), problem };
        // Not truncated: what is in it is the holder's.
        let mut file =
            FileOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unusable)?;
        for attempt in 1..=TRIES {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(TRY_EVERY),
                Err(TryLockError::WouldBlock) => {
                    let holder = described(&mut file);
                    return Err(LockError::HeldBy(HeldBy { directory: options.directory.clone(), holder }));
                }
                Err(TryLockError::Error(problem)) => return Err(unusable(problem)),
            }
        }
        describe(&mut file, description).map_err(unusable)?;
        Ok(Self { file })
    }

    /// Who has the lock in this file, if anybody who has told.
    ///
    /// # Errors
    /// If the lock file can't be read.
    pub(super) fn holder(path: &Path) -> Result<Option<Holder>, LockError> {
        let unusable = |problem| LockError::Unusable { file: path.to_owned(), problem };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(problem) => return Err(unusable(problem)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(described(&mut file)),
            Err(TryLockError::Error(problem)) => Err(unusable(problem)),
        }
    }
}

impl Drop for WorkersLock {
    fn drop(&mut self) {
        // The lock itself goes with the file; a description that stays is read by nobody.
        let _ = self.file.set_len(0);
    }
}

fn describe(file: &mut File, holder: &Holder) -> std::io::Result<()> {
    let text = serde_json::to_string(holder)?;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

fn described(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(DESCRIPTION_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_the_first_is() {
        let directory = tempfile::tempdir().unwrap();
        let options = OpenOptions::new(directory.path());
        let holder = Holder {
            pid: 4711,
            started_at: "2026-11-23T10:00:00Z".parse().unwrap(),
            workers: vec!["purchase".to_owned(), "cache".to_owned()],
            groups: vec!["purchase-creation-workers".to_owned(), "cache-invalidation-workers".to_owned()],
        };
        let file = options.lock_file().unwrap();
        assert_eq!(WorkersLock::holder(&file).unwrap(), None);
        let lock = WorkersLock::acquire(&options, &holder).unwrap();
        let refusal = WorkersLock::acquire(&options, &holder).unwrap_err().to_string();
        for part in ["4711", "purchase, cache", "2026-11-23T10:00:00Z", &directory.path().display().to_string()] {
            assert!(refusal.contains(part), "{refusal} names {part}");
        }
        assert_eq!(WorkersLock::holder(&file).unwrap(), Some(holder.clone()));
        let other = OpenOptions { namespace: Some("demo".to_owned()), ..options.clone() };
        assert!(WorkersLock::acquire(&other, &holder).is_ok(), "another namespace has its own");
        drop(lock);
        assert_eq!(WorkersLock::holder(&file).unwrap(), None);
        assert!(WorkersLock::acquire(&options, &holder).is_ok());
    }
}
