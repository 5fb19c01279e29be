//! The API call for a step, as a command line.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::cluster::ClusterId;
use crate::domain::rotation::Step;
use crate::domain::shell;

/// Unreserved characters of a path segment (RFC 3986) are not encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The call of the SKE API at `ske` as a command line; the token is a variable reference.
pub fn api_call(ske: &str, id: &ClusterId, step: Step) -> String {
    let segment = |text| utf8_percent_encode(text, SEGMENT);
    let url = format!(
        "{}/v2/projects/{}/regions/{}/clusters/{}/{}",
        ske.trim_end_matches('/'),
        segment(id.project().as_str()),
        segment(id.region().as_str()),
        segment(id.name.as_str()),
        step.endpoint()
    );
    let url = shell::quote(&url).unwrap_or_default();
    format!("curl -X POST -H \"Authorization: Bearer $STACKIT_ACCESS_TOKEN\" {url}")
}
