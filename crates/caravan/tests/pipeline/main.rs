//! Payments go in, sessions and dead letters come out, and at the end nothing is left over: the
//! workers, the cron and the commands in one process, on the embedded platform, with a clock that
//! is set by hand; what people do on the dashboard they do in a browser. All but `backups` and
//! `matching` runs on the services as well (`tests/services`).

mod academic_year;
mod adopting;
mod allocating;
mod api;
mod backups;
mod bounds;
mod cancelling;
mod changing;
mod clocks;
mod dead_letters;
mod ground;
mod house;
mod leaving;
mod matching;
mod noticing;
mod once;
mod pages;
mod previewing;
mod racing;
mod reconciling;
mod records;
mod refunding;
mod replanning;
mod retention;
mod sample;
mod shift;
mod skipping;
mod stuck;
mod subscribing;
mod summer_time;
mod time_data;
mod until_idle;
mod waiting;
mod windows;
mod wondering;
mod year;
