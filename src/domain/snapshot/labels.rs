//! Labels of objects, and selectors.

/// Labels with unique names. A sorted list: there are many pods with few labels each, and a map with two entries takes
/// half a kibibyte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Box<[(String, String)]>);

impl Labels {
    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value.as_str())
    }

    /// All labels by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        let mut all: Vec<(String, String)> = labels.into_iter().collect();
        all.sort();
        all.dedup_by(|later, earlier| later.0 == earlier.0);
        Self(all.into_boxed_slice())
    }
}

/// A label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Absent: matches nothing.
    Nothing,
    /// As written; without requirements it matches every pod of the namespace.
    Labels(Vec<Requirement>),
    /// Cannot be evaluated here, and why.
    Unreadable(String),
}

/// One requirement of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// The label has one of these values (`matchLabels`, `In`).
    In(String, Vec<String>),
    /// The label has none of these values, or is absent (`NotIn`).
    NotIn(String, Vec<String>),
    /// The label is present (`Exists`).
    Exists(String),
    /// The label is absent (`DoesNotExist`).
    Absent(String),
}

impl Requirement {
    /// Name of the label.
    pub fn key(&self) -> &str {
        match self {
            Self::In(key, _) | Self::NotIn(key, _) | Self::Exists(key) | Self::Absent(key) => key,
        }
    }
}

impl Selector {
    /// Whether the selector matches labels; `None` if that cannot be evaluated.
    pub fn matches(&self, labels: &Labels) -> Option<bool> {
        let is_among = |value: &str, values: &[String]| values.iter().any(|known| known == value);
        match self {
            Self::Nothing => Some(false),
            Self::Labels(requirements) => {
                Some(requirements.iter().all(|requirement| match requirement {
                    Requirement::In(key, values) => {
                        labels.get(key).is_some_and(|value| is_among(value, values))
                    }
                    Requirement::NotIn(key, values) => {
                        labels.get(key).is_none_or(|value| !is_among(value, values))
                    }
                    Requirement::Exists(key) => labels.get(key).is_some(),
                    Requirement::Absent(key) => labels.get(key).is_none(),
                }))
            }
            Self::Unreadable(_) => None,
        }
    }
}
