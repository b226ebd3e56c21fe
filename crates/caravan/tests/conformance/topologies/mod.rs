//! The topologies the suites run on. Each gives a world of its own to each test.

pub(crate) mod distributed;
pub(crate) mod embedded;
pub(crate) mod mocked;
