//! `docs/events.yaml` against the code: what is described is what is received and told, and nothing else is.

mod document;
mod headers;
mod received;
mod told;
mod topics;
