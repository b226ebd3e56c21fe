//! What an import would do is told by what the import then does.

use caravan::roster::{
    Format, Imported, closures_of, import_closures, import_trainers, preview_closures, preview_trainers, trainers_of,
};
use serde_json::json;

use crate::house::House;
use crate::sample::trainer;

#[tokio::test(flavor = "multi_thread")]
async fn what_an_import_of_trainers_would_do_is_told_and_not_done() {
    let house = House::with(&[trainer("trn_1", json!({})), trainer("trn_2", json!({}))]).await;
    let store = &house.platform.store;
    let lines = [
        trainer("trn_1", json!({})),
        json!({ "trainer_id": "trn_2", "active": false }),
        trainer("trn_3", json!({ "name": "Zoe" })),
    ];
    let file = lines.map(|line| line.to_string()).join("\n");
    let entries = trainers_of(file.as_bytes(), Format::JsonLines).unwrap();
    let (before, version) = (store.list_trainers(None, 10).await.unwrap(), store.roster_version().await.unwrap());

    let preview = preview_trainers(&house.platform, &entries).await.unwrap();
    assert_eq!(preview.imported, Imported { new: 1, changed: 1, unchanged: 1, removed: 0 });
    assert_eq!(store.list_trainers(None, 10).await.unwrap(), before);
    assert_eq!(store.roster_version().await.unwrap(), version);

    assert_eq!(import_trainers(&house.platform, &entries).await.unwrap(), preview.imported);
    let after = store.list_trainers(None, 10).await.unwrap();
    let [second, third] = &preview.edits[..] else { panic!("{:?}", preview.edits) };
    assert_eq!((second.line, second.before.as_ref(), &second.after), (2, Some(&before[1].0), &after[1].0));
    assert_eq!((third.line, third.before.as_ref(), &third.after), (3, None, &after[2].0));
    assert_eq!(preview_trainers(&house.platform, &entries).await.unwrap().edits, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_import_of_closures_would_do_is_told_and_not_done() {
    let house = House::new().await;
    let closure = |day: &str, name: &str| json!({ "from": day, "until": day, "name": name });
    house.close(&[closure("2026-12-24", "Christmas"), closure("2026-12-31", "New Year")]).await;
    let file = format!("{}\n{}", closure("2026-12-24", "Christmas"), closure("2027-01-26", "Republic Day"));
    let entries = closures_of(file.as_bytes(), Format::JsonLines).unwrap();
    let before = house.platform.store.closures().await.unwrap();
    for (replace, removed) in [(true, 1), (false, 0)] {
        let told = preview_closures(&house.platform, &entries, replace).await.unwrap();
        assert_eq!(told, Imported { new: 1, changed: 0, unchanged: 1, removed });
        assert_eq!(house.platform.store.closures().await.unwrap(), before);
    }
    let told = preview_closures(&house.platform, &entries, true).await.unwrap();
    assert_eq!(import_closures(&house.platform, &entries, true).await.unwrap(), told);
    assert_eq!(house.platform.store.closures().await.unwrap().len(), 2);
}
