//! One thread, one seed: which task goes on next, what time it is, and who wakes whom.
//!
//! A task is polled only when something woke it. Which of the woken ones is next is drawn from the
//! seed; time moves only when nobody is awake. So a run is its seed, and every interleaving at the
//! granularity of platform calls can happen.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// What a task is.
pub(crate) type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Names a task; ids ascend in the order of spawning.
pub(crate) type TaskId = u64;

/// Locks, whatever a panicking scenario has left behind.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tasks that were woken, in the order of their ids: the order of the wake-ups themselves may hang
/// on the runtime's own random numbers and must not matter.
type Awake = Arc<Mutex<BTreeSet<TaskId>>>;

struct Bell {
    task: TaskId,
    awake: Awake,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        locked(&self.awake).insert(self.task);
    }
}

struct Task {
    body: Body,
    waker: Waker,
    process: Option<usize>,
}

/// The tasks of a run.
#[derive(Default)]
pub(crate) struct Scheduler {
    tasks: BTreeMap<TaskId, Task>,
    awake: Awake,
    next: TaskId,
}

impl Scheduler {
    /// Adds a task, of a process or of nobody.
    pub(crate) fn spawn(&mut self, process: Option<usize>, body: Body) {
        let task = self.next;
        self.next += 1;
        let waker = Waker::from(Arc::new(Bell { task, awake: self.awake.clone() }));
        self.tasks.insert(task, Task { body, waker, process });
        locked(&self.awake).insert(task);
    }

    /// Polls the task that `draw` chooses among the woken ones, given their number; `None` if
    /// nobody is awake.
    pub(crate) fn turn(&mut self, draw: impl FnOnce(usize) -> usize) -> Option<TaskId> {
        let chosen = {
            let mut awake = locked(&self.awake);
            awake.retain(|task| self.tasks.contains_key(task));
            let chosen = *awake.iter().nth(draw(awake.len().max(1)))?;
            awake.remove(&chosen);
            chosen
        };
        let task = self.tasks.get_mut(&chosen)?;
        let waker = task.waker.clone();
        if let Poll::Ready(()) = task.body.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.tasks.remove(&chosen);
        }
        Some(chosen)
    }

    /// Drops the tasks of a process where they stand: a crash.
    pub(crate) fn drop_process(&mut self, process: usize) {
        self.tasks.retain(|_, task| task.process != Some(process));
    }

    /// Whether a process has tasks left.
    pub(crate) fn has_process(&self, process: usize) -> bool {
        self.tasks.values().any(|task| task.process == Some(process))
    }

    /// Whether nobody's tasks are left among those of no process.
    pub(crate) fn only_processes_left(&self) -> bool {
        self.tasks.values().all(|task| task.process.is_some())
    }
}

/// Gives way once, so that anything may happen in between.
#[derive(Default)]
pub(crate) struct GiveWay {
    gave: bool,
}

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.gave, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Microseconds since the run began, and who is to be woken when.
#[derive(Default)]
pub(crate) struct Timers {
    /// Now; never goes back, whatever the wall clock does.
    pub(crate) now: u64,
    due: BTreeMap<(u64, u64), Waker>,
    next: u64,
}

impl Timers {
    /// Wakes `waker` at a time; the key takes it back.
    pub(crate) fn set(&mut self, at: u64, waker: Waker) -> (u64, u64) {
        let key = (at.max(self.now), self.next);
        self.next += 1;
        self.due.insert(key, waker);
        key
    }

    pub(crate) fn clear(&mut self, key: (u64, u64)) {
        self.due.remove(&key);
    }

    /// Moves to the earliest timer and rings all of that moment; false if there is none.
    pub(crate) fn advance(&mut self) -> bool {
        let Some(((at, _), _)) = self.due.first_key_value() else { return false };
        self.now = *at;
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            entry.remove().wake();
        }
        true
    }
}
