//! The pipeline's tests, as they are, on the services; and what can only happen there.
//!
//! Left out is `matching`: it is about purchases that are decided together, and which records come in one batch is up to
//! the brokers here.

mod composed;
mod instances;
mod outages;
mod outside;
mod positions;
mod restores;
mod school_year;
mod secured;
mod site;

#[path = "../../pipeline/adopting.rs"]
mod adopting;
#[path = "../../pipeline/allocating.rs"]
mod allocating;
#[path = "../../pipeline/api/mod.rs"]
mod api;
#[path = "../../pipeline/bounds.rs"]
mod bounds;
#[path = "../../pipeline/cancelling.rs"]
mod cancelling;
#[path = "../../pipeline/changing.rs"]
mod changing;
#[path = "../../pipeline/clocks.rs"]
mod clocks;
#[path = "../../pipeline/dead_letters.rs"]
mod dead_letters;
#[path = "../../pipeline/leaving.rs"]
mod leaving;
#[path = "../../pipeline/noticing.rs"]
mod noticing;
#[path = "../../pipeline/once.rs"]
mod once;
#[path = "../../pipeline/pages/mod.rs"]
mod pages;
#[path = "../../pipeline/previewing.rs"]
mod previewing;
#[path = "../../pipeline/racing.rs"]
mod racing;
#[path = "../../pipeline/reconciling.rs"]
mod reconciling;
#[path = "../../pipeline/records.rs"]
mod records;
#[path = "../../pipeline/refunding.rs"]
mod refunding;
#[path = "../../pipeline/replanning.rs"]
mod replanning;
#[path = "../../pipeline/retention.rs"]
mod retention;
#[path = "../../pipeline/shift.rs"]
mod shift;
#[path = "../../pipeline/skipping.rs"]
mod skipping;
#[path = "../../pipeline/stuck.rs"]
mod stuck;
#[path = "../../pipeline/subscribing.rs"]
mod subscribing;
#[path = "../../pipeline/summer_time.rs"]
mod summer_time;
#[path = "../../pipeline/time_data.rs"]
mod time_data;
#[path = "../../pipeline/until_idle.rs"]
mod until_idle;
#[path = "../../pipeline/waiting.rs"]
mod waiting;
#[path = "../../pipeline/windows.rs"]
mod windows;
#[path = "../../pipeline/wondering.rs"]
mod wondering;
#[path = "../../pipeline/year.rs"]
mod year;
