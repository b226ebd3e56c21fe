//! Who may run workers here, and what becomes of installations that nobody needs any more.

use std::path::Path;

use super::{AppError, Member, options, services};
use crate::config::Settings;
use crate::platform::clock::{Clock, SystemClock};
use crate::platform::distributed::{self, NamespaceHold};
use crate::platform::embedded::{Holder, OpenOptions, WorkersLock};
use crate::workers::WorkerKind;

/// What the names of database files end with.
const DATABASE_SUFFIX: &str = ".db";

/// The right to run workers, until it is dropped.
pub enum Claim {
    /// One process at a time has it in a directory.
    Directory(WorkersLock),
    /// Any number of processes have it; it keeps the namespace, if there is one, from being
    /// removed.
    Services(Option<NamespaceHold>),
}

/// Makes this process one that runs these workers, until the claim is dropped.
///
/// # Errors
/// In a directory, if another process is it already; names it.
pub async fn claim_workers(settings: &Settings, workers: &[WorkerKind]) -> Result<Claim, AppError> {
    match services(settings, true, true) {
        // Where nothing answers there is nothing to remove either.
        Some(services) => Ok(Claim::Services(distributed::hold(&services).await.ok().flatten())),
        None => {
            let names = workers.iter().map(|kind| kind.name().to_owned()).collect();
            lock(&options(settings, true, true), names, workers).map(Claim::Directory)
        }
    }
}

/// Keeps workers from running while something else is done, or makes sure that none do.
///
/// # Errors
/// Names who runs workers.
pub async fn lock_out_workers(
    app: &super::App,
    settings: &Settings,
    for_what: &str,
) -> Result<Option<Claim>, AppError> {
    if services(settings, false, true).is_none() {
        return lock(&options(settings, false, true), vec![for_what.to_owned()], &[]).map(Claim::Directory).map(Some);
    }
    match app.members().await?.first() {
        Some(Member { group, name }) => {
            Err(AppError::Running(format!("{name} consumes as a member of {group}: stop the workers first")))
        }
        None => Ok(None),
    }
}

/// Takes a directory's lock, `for_what` in words.
fn lock(options: &OpenOptions, for_what: Vec<String>, workers: &[WorkerKind]) -> Result<WorkersLock, AppError> {
    let groups = workers.iter().map(|kind| kind.spec().group.to_owned()).collect();
    let holder = Holder { pid: std::process::id(), started_at: SystemClock.now(), workers: for_what, groups };
    Ok(WorkersLock::acquire(options, &holder)?)
}

/// Removes the namespaces whose name is `unwanted` and whose workers don't run.
///
/// # Errors
/// If a file or schema of them can't be removed.
pub async fn remove_namespaces(settings: &Settings, unwanted: impl Fn(&str) -> bool) -> Result<(), AppError> {
    if let Some(services) = services(settings, false, false) {
        return Ok(distributed::remove_namespaces(&services, unwanted).await?);
    }
    let Ok(entries) = std::fs::read_dir(&settings.data) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(namespace) = name.to_str().and_then(|name| name.strip_suffix(DATABASE_SUFFIX)) else { continue };
        if unwanted(namespace) {
            remove_namespace(&Settings { namespace: namespace.to_owned(), ..settings.clone() })?;
        }
    }
    Ok(())
}

fn remove_namespace(settings: &Settings) -> Result<(), AppError> {
    let options = options(settings, false, false);
    let Ok(_lock) = lock(&options, vec!["removal".to_owned()], &[]) else { return Ok(()) };
    let database = options.database_file()?;
    // The database goes first: what is left of an interruption belongs to nothing.
    for ending in ["", "-wal", "-shm"] {
        let mut file = database.clone().into_os_string();
        file.push(ending);
        remove(Path::new(&file))?;
    }
    remove(&database.with_extension("lock"))
}

fn remove(file: &Path) -> Result<(), AppError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(AppError::Remove { file: file.display().to_string(), problem: error.to_string() })
        }
        _ => Ok(()),
    }
}
