//! Every page can be read and used by everybody: in light and in dark, on a desk and on a phone, with a script and without.

use std::collections::BTreeSet;

use caravan_domain::access::Role;

use super::browser::{DESK, PHONE};
use super::school::school;
use super::signed_in;
use super::visitor::Visitor;

/// Bytes of a page with all that comes with it; whoever is on the road waits for more.
const BYTES_MAX: usize = 100 << 10;

/// Looks at every page in a window of this size, in light or in dark.
async fn look_at_all(name: &str, size: (u32, u32), is_dark: bool) {
    let school = school().await;
    let browser = signed_in(&school.api, Role::Admin).await;
    browser.size(size).await;
    browser.dark(is_dark).await;
    for (number, (path, says)) in (1..).zip(school.pages()) {
        browser.open(&path).await;
        browser.sees(says).await;
        assert!(browser.overflow().await <= 0, "{path} is wider than a window of {size:?}");
        browser.check_accessibility().await;
        let heading = browser.heading().await.to_lowercase().replace(' ', "-");
        browser.picture(&format!("{number:02}-{heading}-{name}")).await;
    }
    school.is_unchanged().await;
    school.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_use_every_page_in_light() {
    look_at_all("light", DESK, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_use_every_page_in_dark() {
    look_at_all("dark", DESK, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_use_every_page_on_a_phone() {
    look_at_all("phone", PHONE, false).await;
}

/// What a page brings along, by its addresses.
fn assets(page: &str) -> BTreeSet<&str> {
    page.split('"').filter(|text| text.starts_with("/assets/")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_whole_without_a_script_and_small_with_all_that_comes_with_it() {
    let school = school().await;
    let visitor = Visitor::with(&school.api, school.api.token(Role::Admin)).await;
    for (path, says) in school.pages() {
        let page = visitor.get(&path).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        assert!(page.text.contains(says), "{path} does not say {says}: {}", page.text);
        let mut bytes = page.text.len();
        let assets = assets(&page.text);
        assert_eq!(assets.len(), 3, "{path}: {assets:?}");
        for asset in assets {
            let asset = visitor.get(asset).await;
            assert_eq!(asset.status, 200);
            assert!(asset.header("cache-control").contains("immutable"), "{}", asset.header("cache-control"));
            bytes += asset.text.len();
        }
        assert!(bytes <= BYTES_MAX, "{path} has {bytes} bytes");
        // Whatever can be pressed is a link, or sends a form.
        assert!(!page.text.contains("type=\"button\"") && !page.text.contains("href=\"#\""), "{path}");
    }
    school.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_does_what_it_says_without_a_script_and_the_next_page_tells_once() {
    let school = school().await;
    let visitor = Visitor::with(&school.api, school.api.token(Role::Operate)).await;
    let path = format!("/purchases/{}", school.purchase);
    let sent = visitor.post(&path, &[("act", "cancel"), ("from", "2026-12-02"), ("reason", "moved abroad")]).await;
    assert_eq!((sent.status, sent.header("location")), (303, path.as_str()), "{}", sent.text);
    let said = sent.header("set-cookie").split(';').next().unwrap();
    let both = format!("{}; {said}", visitor.cookie);
    let next = school.api.get(&path).header("cookie", both).send().await;
    assert!(next.text.contains("Called off from Wed 2 Dec 2026 on"), "{}", next.text);
    assert!(next.header("set-cookie").contains("caravan_said=; Path=/; Max-Age=0"), "{}", next.header("set-cookie"));
    school.api.house.run().await;
    assert_eq!(school.api.house.purchase("pay_1").await.status.name(), "cancelled");
    school.end().await;
}
