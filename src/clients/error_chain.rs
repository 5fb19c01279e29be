//! Finds an error in a source chain, and summarizes a chain.

use std::error::Error;

use crate::domain::text::{clean, cut_end};

/// Maximum width of server or library text in a message, in columns.
const LONGEST_MESSAGE: usize = 300;

/// Finds an error by type in a source chain, including the error itself.
pub fn find_source<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = source(error);
    }
    None
}

/// The innermost messages of an error; the outer ones of the HTTP stack are not useful.
pub fn describe_error(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        texts.retain(|outer| !outer.contains(&text));
        texts.push(text);
        next = source(error);
    }
    if texts.len() > 1 {
        texts.retain(|text| !text.starts_with("client error ("));
    }
    let inner = texts.len().saturating_sub(2);
    shorten(&texts.split_off(inner).join(": "))
}

/// `io::Error::source` skips the wrapped error itself.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// Text of a server or a library, cleaned and truncated for a message.
pub fn shorten(text: &str) -> String {
    cut_end(clean(text).trim(), LONGEST_MESSAGE)
}
