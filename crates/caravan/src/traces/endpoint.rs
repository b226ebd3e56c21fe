//! Where traces are handed over.

use axum::http::Uri;

/// What the path of an endpoint is followed by (OTLP/HTTP, "HTTP URLs").
const PATH: &str = "/v1/traces";
/// The port of URLs that name none.
const PORT_DEFAULT: u16 = 80;

/// Where an OpenTelemetry collector takes OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port`.
    pub(super) authority: String,
    /// Where traces are taken there.
    pub(super) path: String,
}

impl Endpoint {
    /// Reads a base URL, such as `http://127.0.0.1:4318`; `None` if the text is empty.
    ///
    /// # Errors
    /// In words, if it is no such URL.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let url = text.parse::<Uri>().ok().filter(|url| {
            let has_no_user = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
            url.scheme_str() == Some("http") && has_no_user && url.query().is_none()
        });
        let (Some(url), false) = (&url, text.contains('#')) else {
            return Err("must be http://HOST:PORT of an OpenTelemetry collector, such as http://127.0.0.1:4318; \
                        what is to leave the machine by TLS goes through a collector beside it"
                .to_owned());
        };
        let (host, port) = (url.host().unwrap_or_default(), url.port_u16().unwrap_or(PORT_DEFAULT));
        let path = format!("{}{PATH}", url.path().trim_end_matches('/'));
        Ok(Some(Self { authority: format!("{host}:{port}"), path }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_base_url() {
        for (text, authority, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1:4318", "/v1/traces"),
            ("http://collector:4318/", "collector:4318", "/v1/traces"),
            ("http://collector/otlp", "collector:80", "/otlp/v1/traces"),
            ("http://[::1]:4318", "[::1]:4318", "/v1/traces"),
        ] {
            let expected = Endpoint { authority: authority.to_owned(), path: path.to_owned() };
            assert_eq!(Endpoint::read(text), Ok(Some(expected)), "{text}");
        }
        assert_eq!(Endpoint::read(""), Ok(None));
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_an_example_and_without_what_it_says() {
        for text in [
            "collector:4318",
            "https://h",
            "http://",
            "http://user:s3cret@h",
            "http://h?key=s3cret",
            "http://h#s3cret",
            " ",
        ] {
            let refusal = Endpoint::read(text).unwrap_err();
            assert!(refusal.contains("http://127.0.0.1:4318") && !refusal.contains("s3cret"), "{text}: {refusal}");
        }
    }
}
