//! Somebody who is signed in and sends what forms send, without a browser.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::super::api::{Answer, Api};

/// What every form hands back.
const KEY: &str = "form_key";

/// Somebody with a cookie.
pub(super) struct Visitor<'a> {
    api: &'a Api,
    /// As it was set: the name and the secret.
    pub(super) cookie: String,
}

impl<'a> Visitor<'a> {
    /// Whoever signs in with this token.
    pub(super) async fn with(api: &'a Api, token: &str) -> Self {
        let answer = signing_in(api, token, "/").await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{}", answer.text);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        Self { api, cookie }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.api.get(path).header("cookie", &self.cookie).send().await
    }

    /// Sends a form of a page of theirs.
    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let key = self.form_key();
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([(KEY, key.as_str())]).collect();
        self.post_bare(path, &fields).await
    }

    /// Sends what is no form of a page of theirs.
    pub(super) async fn post_bare(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.api.post(path).header("cookie", &self.cookie).form(fields).send().await
    }

    /// What their forms hand back: a digest that nobody can know who does not know their secret.
    pub(super) fn form_key(&self) -> String {
        let (_, secret) = self.cookie.split_once('=').unwrap();
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("form:{secret}")))
    }
}

/// What is answered to whoever shows this token and wants to go on to a page.
pub(super) async fn signing_in(api: &Api, token: &str, to: &str) -> Answer {
    api.post("/sign-in").form(&[("token", token), ("to", to)]).send().await
}
