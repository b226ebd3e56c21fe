//! Channels and operations.

use std::collections::BTreeSet;

use caravan::config::DEFAULTS;
use caravan::workers::WorkerKind;
use caravan_domain::event::{Topic, VALUE_BYTES_MAX};
use serde_json::{Value, json};

use super::document::Document;

#[test]
fn every_topic_is_a_channel_and_there_are_no_others() {
    let document = Document::read();
    let channels = document.at("/channels").as_object().unwrap();
    let addresses: BTreeSet<&str> = channels.values().map(|channel| channel["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, Topic::ALL.map(Topic::name).into());
    assert_eq!(channels.len(), Topic::ALL.len());
    for topic in Topic::ALL {
        let channel = document.at(&format!("/channels/{topic}"));
        let message = json!({ topic.name(): { "$ref": format!("#/components/messages/{topic}") } });
        assert_eq!((&channel["address"], &channel["messages"]), (&json!(topic.name()), &message));
        document.at(&format!("/components/messages/{topic}"));
        let partitions = &document.meant(&format!("/channels/{topic}/bindings"))["kafka"]["partitions"];
        assert!(DEFAULTS.contains(&format!("\npartitions = {partitions}\n")), "{topic} has {partitions} partitions");
    }
}

#[test]
fn what_is_too_large_to_be_read_is_told() {
    let document = Document::read();
    let bound = format!("at most {} KiB", VALUE_BYTES_MAX / 1024);
    for topic in [Topic::PurchaseConfirmed, Topic::PurchaseRefunded] {
        let described = document.at(&format!("/channels/{topic}/description")).as_str().unwrap();
        assert!(described.contains(&bound), "{described}");
    }
}

/// The channels of all operations of a kind, and what each is bound to.
fn operations<'a>(document: &'a Document, action: &str) -> Vec<(&'a str, &'a str, &'a Value)> {
    let operations = document.at("/operations").as_object().unwrap();
    let named = operations.iter().filter(|(_, operation)| operation["action"] == *action);
    named
        .map(|(name, operation)| {
            let channel = operation["channel"]["$ref"].as_str().unwrap();
            (name.as_str(), channel.strip_prefix("#/channels/").unwrap(), operation)
        })
        .collect()
}

#[test]
fn every_worker_receives_what_it_consumes_in_its_group() {
    let document = Document::read();
    let described: BTreeSet<(String, String)> = operations(&document, "receive")
        .into_iter()
        .map(|(name, channel, _)| {
            let group = &document.meant(&format!("/operations/{name}/bindings"))["kafka"]["groupId"]["const"];
            (channel.to_owned(), group.as_str().unwrap().to_owned())
        })
        .collect();
    let consumed = WorkerKind::ALL
        .into_iter()
        .map(WorkerKind::spec)
        .flat_map(|spec| spec.topics.iter().map(move |topic| (topic.name().to_owned(), spec.group.to_owned())));
    assert_eq!(described, consumed.collect());
}

#[test]
fn every_topic_is_written_to() {
    let document = Document::read();
    let sent: Vec<&str> = operations(&document, "send").into_iter().map(|(_, channel, _)| channel).collect();
    assert_eq!(sent.len(), Topic::ALL.len());
    assert_eq!(sent.into_iter().collect::<BTreeSet<_>>(), Topic::ALL.map(Topic::name).into());
}

#[test]
fn the_document_is_of_this_version() {
    assert_eq!(Document::read().at("/info/version"), env!("CARGO_PKG_VERSION"));
}
