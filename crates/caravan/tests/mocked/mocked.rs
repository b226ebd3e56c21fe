//! The pipeline's tests, as they are, where librdkafka's mock cluster stands in Kafka's place.
//!
//! Left out are `retention`, as the mock cluster drops no records, and `matching`, for the reason it has on a broker.

#[path = "../pipeline/bounds.rs"]
mod bounds;
#[path = "../pipeline/clocks.rs"]
mod clocks;
#[path = "../pipeline/dead_letters.rs"]
mod dead_letters;
#[path = "../pipeline/noticing.rs"]
mod noticing;
#[path = "../pipeline/once.rs"]
mod once;
#[path = "../pipeline/records.rs"]
mod records;
#[path = "../pipeline/skipping.rs"]
mod skipping;
#[path = "../pipeline/summer_time.rs"]
mod summer_time;
#[path = "../pipeline/until_idle.rs"]
mod until_idle;
#[path = "../pipeline/waiting.rs"]
mod waiting;
#[path = "../pipeline/windows.rs"]
mod windows;
