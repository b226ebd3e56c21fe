//! Caravan: turns confirmed payments into scheduled lessons.
//!
//! `domain <- platform <- traces <- engine <- workers <- app, http <- cli`: an arrow reads "is used by".

pub mod access;
pub mod app;
pub mod audit;
pub mod bench;
pub mod config;
pub mod engine;
pub mod http;
pub mod intake;
pub mod lag;
pub mod life;
pub mod overview;
pub mod platform;
pub mod progress;
pub mod reconcile;
pub mod redrive;
pub mod reported;
pub mod roster;
pub mod sample;
pub mod stuck;
pub mod telemetry;
pub mod time_data;
pub mod traces;
pub mod views;
pub mod workers;
