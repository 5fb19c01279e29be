//! Finds an error in a chain of sources, and describes a chain in few words.

use std::error::Error;

use crate::domain::text::{clean, cut_end};

/// Longest text of a server or a library in a sentence, in columns.
const LONGEST_MESSAGE: usize = 300;

/// Finds an error of a type among an error and its sources.
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

/// The innermost reasons of an error; the outer texts of the HTTP stack say nothing useful.
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

/// `io::Error::source` leaves out the error that it wraps.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// A text of a server or a library, cleaned and cut for a sentence.
pub fn shorten(text: &str) -> String {
    cut_end(clean(text).trim(), LONGEST_MESSAGE)
}
