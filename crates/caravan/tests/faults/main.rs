//! What happens to the program when its surroundings fail it: processes that are killed, disks
//! that are full, files that are somebody else's. The built program, in directories of its own.

mod beside;
mod crashes;
mod databases;
mod disk;
mod output;
mod people;
mod place;
#[path = "../pipeline/sample.rs"]
mod sample;
mod signals;
mod starting;
