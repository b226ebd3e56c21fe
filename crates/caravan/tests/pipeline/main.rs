//! Payments go in, sessions and dead letters come out, and at the end nothing is left over: the
//! workers, the cron and the commands in one process, on the embedded platform, with a clock that
//! is set by hand. All but `backups` and `matching` runs on the services as well (`tests/services`).

mod backups;
mod bounds;
mod cancelling;
mod changing;
mod clocks;
mod dead_letters;
mod ground;
mod house;
mod matching;
mod noticing;
mod once;
mod records;
mod refunding;
mod retention;
mod sample;
mod skipping;
mod summer_time;
mod until_idle;
mod waiting;
mod windows;
