//! What runs on PostgreSQL, Redis and librdkafka's mock of Kafka, in place of `services` where Kafka can't be fetched.
//! Everything is below `mocked`, so that it can be passed over where it can.

mod ground;
#[path = "../pipeline/house.rs"]
#[allow(dead_code)]
mod house;
mod mocked;
#[path = "../support/mocked.rs"]
mod mocked_services;
#[path = "../pipeline/sample.rs"]
mod sample;
#[path = "../support/services.rs"]
#[allow(dead_code)]
mod services;
