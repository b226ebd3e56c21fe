//! The topologies the audit is tested on.

pub(crate) mod distributed;
pub(crate) mod embedded;
mod postgres;
