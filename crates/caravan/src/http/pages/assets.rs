//! Styles, script and picture, in the binary. An address names the content, so that browsers may keep it for good.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::http::problem::Problem;

/// How long an answer may be kept: its address changes with it.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Bytes of a digest that tell two versions apart.
const DIGEST_BYTES: usize = 6;

/// A file of the pages.
struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 3] = [
    Asset {
        name: "caravan.css",
        kind: "text/css; charset=utf-8",
        content: include_str!("../../../assets/caravan.css"),
    },
    Asset {
        name: "caravan.js",
        kind: "text/javascript; charset=utf-8",
        content: include_str!("../../../assets/caravan.js"),
    },
    Asset { name: "caravan.svg", kind: "image/svg+xml", content: include_str!("../../../assets/caravan.svg") },
];

/// What tells this version of the files from any other.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    ASSETS.iter().for_each(|asset| hash.update(asset.content));
    hash.finalize().iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
});

/// What an address of a file ends with.
pub(super) fn version() -> &'static str {
    &VERSION
}

/// `GET /assets/{name}`
pub(super) async fn file(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => (
            [(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)), (header::CACHE_CONTROL, KEPT)],
            asset.content,
        )
            .into_response(),
        None => Problem::not_found("there is no such file").into_response(),
    }
}
