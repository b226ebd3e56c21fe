//! What runs on PostgreSQL, Kafka and Redis. Everything is below `distributed`, so that it can be passed over where Kafka
//! can't be fetched.

mod distributed;
#[path = "distributed/ground.rs"]
mod ground;
#[path = "../pipeline/house.rs"]
mod house;
#[path = "../faults/place.rs"]
#[allow(dead_code)]
mod place;
#[path = "../pipeline/sample.rs"]
mod sample;
#[path = "../support/services.rs"]
mod services;
