//! Positions that fit no log any more: said, with what settles them, and never jumped over.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use super::site::Site;

fn admin(site: &Site) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &site.namespace.0.kafka_brokers).create().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_with_another_number_of_partitions_is_refused_by_name() {
    let site = Site::with_trainers(1);
    let topic = site.physical("purchase-created");
    let admin = admin(&site);
    admin.delete_topics(&[&topic], &AdminOptions::new()).await.unwrap();
    let five = NewTopic::new(&topic, 5, TopicReplication::Fixed(1));
    crate::place::until("the topic is gone", || {
        let listed = site.place.run(&["topics", "list", "--json"]).ok();
        !listed.contains("purchase-created\"")
    });
    admin.create_topics([&five], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    let refusal = site.place.run(&["run", "--until-idle"]).failed(1);
    assert!(refusal.contains(&topic) && refusal.contains("5 partitions, not 3"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_again_is_noticed_and_a_replay_settles_it() {
    let site = Site::with_trainers(4);
    site.pay("a", 20, 1);
    site.place.drain();
    let topic = site.physical("purchase-confirmed");
    admin(&site).delete_topics(&[&topic], &AdminOptions::new()).await.unwrap();
    crate::place::until("it can be made again", || {
        site.place.run(&["topics", "create"]).code == Some(0)
            && site.place.run(&["topics", "list", "--json"]).ok().contains("purchase-confirmed\"")
    });
    // As many as before: by offsets alone nobody could tell.
    site.pay("b", 20, 1);
    let refusal = site.place.run(&["run", "--until-idle"]).failed(1);
    assert!(refusal.contains("caravan groups replay purchase-creation-workers"), "{refusal}");
    let replay = ["groups", "replay", "purchase-creation-workers", "--topic", "purchase-confirmed", "--to", "earliest"];
    site.place.run(&replay).ok();
    site.place.drain();
    site.accounts_for(40, 2);
}
