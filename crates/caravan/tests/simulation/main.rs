//! The real engine and the real workers on a simulated platform, driven by a seed.

mod cache;
mod checks;
mod desk;
mod log;
mod planted;
mod reader;
mod reads;
mod scenarios;
mod scheduler;
mod seeds;
mod simulation;
mod store;
mod tables;
mod workload;
mod world;
