//! The dashboard, used as people use it: in a browser (Chromium, as `scripts/browser` installs it), and without one where a
//! browser would add nothing.

use caravan::http::Options;
use caravan_domain::access::Role;

use super::api::{Api, confirmation, ravi};
use crate::house::House;
use browser::Browser;

mod browser;
mod driver;
mod looking;
mod moving_in;
mod repairing;
mod school;
mod signing;
mod staffing;
mod teaching;
mod visitor;
mod watching;
mod without_log;

/// A house that is served to people in Berlin.
async fn served(house: House) -> Api {
    let options = Options { requests_per_minute_max: 0, time_zone: "Europe/Berlin".to_owned(), ..Options::default() };
    Api::with(house, options).await
}

/// A house in which Ravi teaches one purchase, and somebody who may change things before its first page.
async fn taught() -> (Api, Browser) {
    let house = House::with(&[ravi()]).await;
    house.pay(&[confirmation("pay_1")]).await;
    house.run().await;
    let api = served(house).await;
    let browser = operator(&api).await;
    (api, browser)
}

/// A browser in which somebody is signed in who may change things.
async fn operator(api: &Api) -> Browser {
    signed_in(api, Role::Operate).await
}

/// A browser in which somebody is signed in with a token of this role.
async fn signed_in(api: &Api, role: Role) -> Browser {
    let browser = Browser::at(&api.address()).await;
    browser.sign_in(api.token(role)).await;
    browser
}
