//! The fleet's filter: words with a meaning (`phase:prepared`, `age:>90d`, `stuck`) and fuzzy text.

use jiff::{SignedDuration, Timestamp};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::app::fleet::text;
use crate::domain::age::since;
use crate::domain::attention::stuck;
use crate::domain::cluster::Cluster;

/// A filter, read from what was typed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    terms: Vec<Term>,
    text: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    Phase(String),
    Project(String),
    Region(String),
    State(String),
    Older(SignedDuration),
    Younger(SignedDuration),
    Stuck,
    Marked,
}

/// What a filter matches besides the cluster.
#[derive(Debug, Clone, Copy)]
pub struct FilterRow<'a> {
    pub cluster: &'a Cluster,
    /// Name of its project, or its id.
    pub project: &'a str,
    pub marked: bool,
    /// Whether its own API shows that its roll is held up.
    pub stuck: bool,
}

impl Filter {
    /// Reads a filter. Words that look like a term but are not one count as text.
    pub fn parse(input: &str) -> Self {
        let mut filter = Self::default();
        let mut words = Vec::new();
        for word in input.split_whitespace() {
            match term(word) {
                Some(term) => filter.terms.push(term),
                None => words.push(word),
            }
        }
        filter.text = words.join(" ");
        filter
    }

    /// Keeps what matches all terms and the fuzzy text, each with how closely: 0 when the name holds the text as
    /// it was typed, 1 when it only fits.
    pub fn matching<'a, T>(
        &self,
        subjects: impl IntoIterator<Item = (T, FilterRow<'a>)>,
        now: Timestamp,
    ) -> Vec<(u8, T)> {
        let pattern = (!self.text.is_empty())
            .then(|| Pattern::parse(&self.text, CaseMatching::Ignore, Normalization::Smart));
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut characters = Vec::new();
        let mut haystack = String::new();
        subjects
            .into_iter()
            .filter(|(_, subject)| self.terms.iter().all(|term| term.holds(subject, now)))
            .filter(|(_, subject)| {
                pattern.as_ref().is_none_or(|pattern| {
                    haystack.clear();
                    haystack.push_str(subject.cluster.id.name.as_str());
                    haystack.push(' ');
                    haystack.push_str(subject.project);
                    let text = Utf32Str::new(&haystack, &mut characters);
                    pattern.score(text, &mut matcher).is_some()
                })
            })
            .map(|(item, subject)| {
                let literal = subject.cluster.id.name.as_str().contains(&self.text);
                (u8::from(!literal), item)
            })
            .collect()
    }
}

/// What phases and states are called, and what a time looks like.
const PHASES: &str = "never, preparing, prepared, completing, completed";
const STATES: &str =
    "healthy, creating, deleting, unhealthy, reconciling, hibernated, hibernating, waking up";
const TIMES: &str = "90d, >12h, <2w";
const KEYS: &str = "phase, project, region, state, age";

fn term(word: &str) -> Option<Term> {
    match word {
        "stuck" => return Some(Term::Stuck),
        "marked" => return Some(Term::Marked),
        _ => {}
    }
    let (key, value) = word.split_once(':')?;
    let value = value.to_lowercase();
    match key {
        "phase" => Some(Term::Phase(value)),
        "project" => Some(Term::Project(value)),
        "region" => Some(Term::Region(value)),
        "state" => Some(Term::State(value)),
        "age" => match value.strip_prefix('<') {
            Some(rest) => time(rest).map(Term::Younger),
            None => time(value.strip_prefix('>').unwrap_or(&value)).map(Term::Older),
        },
        _ => None,
    }
}

fn time(text: &str) -> Option<SignedDuration> {
    humantime::parse_duration(text).ok().and_then(|d| SignedDuration::try_from(d).ok())
}

/// What is wrong with the words of a filter, to be said where nothing matches it: SKE may have phases and states
/// that this program does not know.
pub fn problems(input: &str) -> Vec<String> {
    input.split_whitespace().filter_map(problem).collect()
}

fn problem(word: &str) -> Option<String> {
    let (key, value) = word.split_once(':')?;
    let begins =
        |words: &str| words.split(", ").any(|word| word.starts_with(&value.to_lowercase()));
    match key {
        "phase" if begins(PHASES) => None,
        "phase" => Some(text::not_a_phase(value, PHASES)),
        "state" if begins(STATES) => None,
        "state" => Some(text::not_a_state(value, STATES)),
        "age" => match value.trim_start_matches(['<', '>']) {
            "" => Some(text::age_needs_duration(TIMES)),
            text if term(word).is_none() => Some(text::not_a_duration(text, TIMES)),
            _ => None,
        },
        "project" | "region" => None,
        _ => Some(text::unknown_filter(key, KEYS)),
    }
}

impl Term {
    fn holds(&self, subject: &FilterRow<'_>, now: Timestamp) -> bool {
        let cluster = subject.cluster;
        let age = || cluster.credentials_born().map(|born| since(born, now));
        match self {
            Self::Phase(text) => cluster.rotation.phase.word().to_lowercase().starts_with(text),
            Self::Project(text) => {
                subject.project.to_lowercase().contains(text)
                    || cluster.id.project().as_str().starts_with(text)
            }
            Self::Region(text) => cluster.id.region().as_str().starts_with(text),
            Self::State(text) => cluster.state.word().to_lowercase().starts_with(text),
            Self::Older(limit) => age().is_some_and(|age| age > *limit),
            Self::Younger(limit) => age().is_some_and(|age| age < *limit),
            Self::Stuck => subject.stuck || stuck(cluster, now).is_some(),
            Self::Marked => subject.marked,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::app::fleet::filter::{Filter, problems};
    use crate::app::fleet::filter::{FilterRow, PHASES};
    use crate::domain::cluster::Cluster;
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::rotation::Phase;
    use crate::fuzz::{changed_text, fuzz};

    fn names(filter: &str, clusters: &[Cluster]) -> Vec<String> {
        let subjects = clusters.iter().map(|cluster| {
            (
                cluster.id.name.to_string(),
                FilterRow {
                    cluster,
                    project: "payments",
                    marked: cluster.id.name.as_str() == "web",
                    stuck: false,
                },
            )
        });
        let mut found = Filter::parse(filter).matching(subjects, now());
        found.sort_by_key(|(rank, _)| *rank);
        found.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn terms_and_fuzzy_text_narrow_together() {
        let clusters = [
            cluster("shop-prod", Phase::Prepared),
            cluster("shop-dev", Phase::Never),
            cluster("web", Phase::Prepared),
        ];
        assert_eq!(names("phase:prepared", &clusters), ["shop-prod", "web"]);
        assert_eq!(names("phase:prepared spd", &clusters), ["shop-prod"]);
        assert_eq!(names("marked", &clusters), ["web"]);
        assert_eq!(names("age:>90d", &clusters), ["shop-dev"]);
        assert_eq!(names("age:<90d", &clusters), ["shop-prod", "web"]);
        assert_eq!(names("project:pay region:eu01", &clusters).len(), 3);
        assert_eq!(names("state:hib", &clusters).len(), 0);
        assert_eq!(names("", &clusters).len(), 3);
    }

    #[test]
    fn an_exact_substring_ranks_before_a_fuzzy_match() {
        let clusters = [cluster("e-commerc-h", Phase::Never), cluster("echo", Phase::Never)];
        assert_eq!(names("ech", &clusters), ["echo", "e-commerc-h"]);
    }

    #[test]
    fn valid_terms_cause_no_problem() {
        for known in PHASES.split(", ") {
            assert!(problems(&format!("phase:{known}")).is_empty());
        }
        let fine =
            "phase:PREP state:hib age:>90d age:<2w age:3h project:x region:y stuck web phase:";
        assert_eq!(problems(fine), Vec::<String>::new());
        assert_eq!(problems("phase:foo age:>>9d a:b").len(), 3);
    }

    #[test]
    fn fuzz_filter() {
        let seeds = [
            "phase:prepared spd",
            "age:>90d age:<2w state:hib",
            "project:pay region:eu01 marked stuck",
            "'exact ^a $b !c",
        ];
        let words = [
            "phase:",
            "state:",
            "age:",
            "age:>",
            "<",
            ">",
            "90d",
            "1h 1m",
            "99999999999999y",
            "project:",
            "never",
            "!",
            "^",
            "$",
        ];
        fuzz(256, &changed_text(seeds, &words), |text| {
            let clusters = [cluster("a", Phase::Never), cluster("shop-prod", Phase::Prepared)];
            proptest::prop_assert!(names(&text, &clusters).len() <= 2);
            proptest::prop_assert!(problems(&text).len() <= text.split_whitespace().count());
            Ok(())
        });
    }
}
