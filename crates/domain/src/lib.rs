//! Caravan's rules, as pure functions over values.
//!
//! Nothing here reads a clock, draws a random number or does I/O: `now` is passed in, and the same
//! arguments always give the same answer. That is what lets one set of rules run on every
//! topology, be replayed, and be tested by the thousand.
//!
//! A newcomer looking for a rule: [`event`] says what a record must look like, [`plan`] when the
//! lessons of a plan are, [`window`] which of them stand in the calendar, [`trainer`] and
//! [`availability`] who can teach when, [`allocation`] who is chosen and why, [`cancellation`] what is
//! left of a plan that is called off, [`rest`] what is planned anew of it, [`refund`] when a purchase is given back whole, [`session`] how one session
//! stands and whether it can be held so, [`substitution`] who stands in, [`stuck`] what holds up a purchase that is
//! paid, [`order`] a plan that is kept before the customer pays, [`provider`] what payment providers report, [`access`] who may do
//! what over HTTP, [`feed`] lessons in calendars, [`subscription`] how a plan without an end goes on, [`time_data`] what other time
//! zone data would move, and [`rejection`] why a record was set aside.

pub mod access;
pub mod allocation;
pub mod availability;
pub mod cancellation;
pub mod event;
pub mod feed;
mod field;
pub mod ids;
pub mod order;
pub mod plan;
pub mod provider;
pub mod purchase;
pub mod refund;
pub mod rejection;
pub mod rest;
pub mod session;
pub mod stuck;
pub mod subscription;
pub mod substitution;
pub mod time_data;
pub mod trainer;
pub mod window;
