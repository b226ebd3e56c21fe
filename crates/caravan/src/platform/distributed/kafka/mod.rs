//! The log on Kafka.
//!
//! Architecture invariants: what a worker reads begins where the database says, never where a broker
//! says; a consumer group is asked for one thing only, which partitions are ours. So membership and
//! reading are two clients: one joins the group and reads nothing, the other reads what it is told to
//! and belongs to no group.

mod admin;
mod edges;
mod evidence;
mod follower;
mod hearing;
mod marks;
mod membership;
mod publish;
mod reader;
mod records;
mod settings;
mod subscription;

pub use admin::KafkaLog;
pub use evidence::KafkaEvidence;
pub use marks::Marks;
pub use settings::{GroupProtocol, KafkaOptions};
