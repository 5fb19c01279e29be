//! Macros that define the texts of a feature, kept in its `text.rs`, separate from logic.

/// Texts by name. A text without placeholders is a constant; one with placeholders (`{cluster}`) is a function of their
/// values. In tests, `ALL` lists every name with its text, for language reviews.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident $(($($place:ident),+))? = $text:literal;)+) => {
        $($crate::app::texts::text!($(#[$doc])* $name $(($($place),+))? = $text);)+

        /// Every text of the feature.
        #[cfg(test)]
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $text)),+];
    };
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident = $text:literal) => {
        $(#[$doc])*
        pub const $name: &str = $text;
    };
    ($(#[$doc:meta])* $name:ident($($place:ident),+) = $text:literal) => {
        $(#[$doc])*
        pub fn $name($($place: impl std::fmt::Display),+) -> String {
            format!($text)
        }
    };
}

pub(crate) use {text, texts};

#[cfg(test)]
mod tests {
    mod sample {
        crate::app::texts::texts! {
            PLAIN = "Nothing to do.";
            with_places(cluster, count) = "{cluster}: {count} nodes.";
        }
    }

    #[test]
    fn a_text_with_places_is_a_function() {
        assert_eq!(sample::with_places("shop", 3), "shop: 3 nodes.");
        assert_eq!(
            sample::ALL,
            [("PLAIN", sample::PLAIN), ("with_places", "{cluster}: {count} nodes.")]
        );
    }
}
