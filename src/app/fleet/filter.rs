//! The fleet's filter: terms (`phase:prepared`, `age:>90d`, `stuck`) and text. `!` negates a word.

use jiff::{SignedDuration, Timestamp};
use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::app::fleet::text;
use crate::domain::age::since;
use crate::domain::attention::stuck;
use crate::domain::cluster::Cluster;

/// A parsed filter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Terms, each with the required result.
    terms: Vec<(Term, bool)>,
    /// The remaining words: each a substring, or fuzzy after `~`.
    text: Pattern,
    /// The same words, all fuzzy.
    similar: Pattern,
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
    Due,
    Marked,
}

/// A row to be filtered.
#[derive(Debug, Clone, Copy)]
pub struct FilterRow<'a> {
    pub cluster: &'a Cluster,
    /// Project name, or its id.
    pub project: &'a str,
    pub marked: bool,
    /// Whether the roll is blocked, according to the cluster's own API.
    pub stuck: bool,
    /// Whether the cluster needs action.
    pub due: bool,
}

impl Filter {
    /// Parses a filter. Words that look like a term but are invalid count as text.
    pub fn parse(input: &str) -> Self {
        let mut filter = Self::default();
        for word in input.split_whitespace() {
            let (negated, bare) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
            match term(bare) {
                Some(term) => filter.terms.push((term, !negated)),
                None => filter.add_text(word),
            }
        }
        filter
    }

    fn add_text(&mut self, word: &str) {
        if word.trim_matches(['!', '~', '^', '\'', '$']).is_empty() {
            return;
        }
        let fuzzy = word.strip_prefix('~');
        // Exclusions are never fuzzy.
        let excluded = word.strip_prefix("!~").map(|word| format!("!{word}"));
        let bare = fuzzy.or(excluded.as_deref()).unwrap_or(word);
        let mut atom = Atom::parse(bare, CaseMatching::Ignore, Normalization::Smart);
        self.similar.atoms.push(atom.clone());
        if fuzzy.is_none() && atom.kind == AtomKind::Fuzzy {
            atom.kind = AtomKind::Substring;
        }
        self.text.atoms.push(atom);
    }

    /// The rows that match all terms and the text, or, without any, those that match it fuzzily. Each with its rank,
    /// best first: name equals, starts with, contains; project contains.
    pub fn matching<'a, T: Clone>(
        &self,
        subjects: impl IntoIterator<Item = (T, FilterRow<'a>)>,
        now: Timestamp,
    ) -> Vec<(u32, T)> {
        let holds = |row: &FilterRow<'a>| {
            self.terms.iter().all(|(term, wanted)| term.holds(row, now) == *wanted)
        };
        let candidates: Vec<(T, FilterRow<'a>)> =
            subjects.into_iter().filter(|(_, row)| holds(row)).collect();
        let found = search(&self.text, &candidates);
        if found.is_empty() && self.text.atoms != self.similar.atoms {
            return search(&self.similar, &candidates);
        }
        found
    }
}

fn search<T: Clone>(pattern: &Pattern, rows: &[(T, FilterRow<'_>)]) -> Vec<(u32, T)> {
    let mut matcher = Matcher::new(Config::DEFAULT);
    let (mut names, mut texts) = (Vec::new(), Vec::new());
    let mut haystack = String::new();
    let mut begin = pattern.atoms.iter().find(|atom| !atom.negative).cloned();
    if let Some(word) = &mut begin {
        word.kind = AtomKind::Prefix;
    }
    let is_fuzzy = pattern.atoms.iter().any(|atom| atom.kind == AtomKind::Fuzzy);
    let words = plain_words(pattern);
    let mut rank = |row: &FilterRow<'_>| {
        let name = row.cluster.id.name.as_str();
        haystack.clear();
        haystack.push_str(name);
        haystack.push(' ');
        haystack.push_str(row.project);
        if let Some(words) = words.as_ref().filter(|_| haystack.is_ascii()) {
            haystack.make_ascii_lowercase();
            return plain_rank(words, &haystack, name.len());
        }
        let score = pattern.score(Utf32Str::new(&haystack, &mut texts), &mut matcher)?;
        if is_fuzzy {
            return Some(u32::MAX - score);
        }
        let name = Utf32Str::new(name, &mut names);
        let begins = begin.as_ref().filter(|word| word.score(name, &mut matcher).is_some());
        Some(match begins {
            Some(word) if word.needle_text().len() == name.len() => 0,
            Some(_) => 1,
            None if pattern.score(name, &mut matcher).is_some() => 2,
            None => 3,
        })
    };
    rows.iter().filter_map(|(item, row)| Some((rank(row)?, item.clone()))).collect()
}

/// The words of a pattern with their negation, if all are plain ASCII: the common case, which needs no fuzzy matcher.
fn plain_words(pattern: &Pattern) -> Option<Vec<(&str, bool)>> {
    let word = |atom| match (Atom::needle_text(atom), atom.kind) {
        (Utf32Str::Ascii(word), AtomKind::Substring) => {
            Some((std::str::from_utf8(word).ok()?, atom.negative))
        }
        _ => None,
    };
    pattern.atoms.iter().map(word).collect()
}

/// The rank of a lower-case text that starts with a name of `name` bytes; `None` if it does not match.
fn plain_rank(words: &[(&str, bool)], text: &str, name: usize) -> Option<u32> {
    let holds = |text: &str| words.iter().all(|(word, negated)| text.contains(word) != *negated);
    if !holds(text) {
        return None;
    }
    let first = words.iter().find(|(_, negated)| !negated).map(|(word, _)| *word);
    let name = text.get(..name).unwrap_or_default();
    Some(match first {
        Some(first) if name == first => 0,
        Some(first) if name.starts_with(first) => 1,
        _ if holds(name) => 2,
        _ => 3,
    })
}

/// Known phases.
pub const PHASES: &str = "never, preparing, prepared, completing, completed";
/// Known states.
pub const STATES: &str =
    "healthy, creating, deleting, unhealthy, reconciling, hibernated, hibernating, waking up";
const TIMES: &str = "90d, >12h, <2w";
const KEYS: &str = "phase, project, region, state, age";

/// Whether a word is a valid term, without its negation.
pub fn is_term(word: &str) -> bool {
    term(word).is_some()
}

fn term(word: &str) -> Option<Term> {
    match word {
        "stuck" => return Some(Term::Stuck),
        "due" => return Some(Term::Due),
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

/// Problems with the words of a filter, shown if nothing matches; not an error, since SKE may have phases and states
/// that are unknown here.
pub fn problems(input: &str) -> Vec<String> {
    input.split_whitespace().filter_map(problem).collect()
}

fn problem(word: &str) -> Option<String> {
    let word = word.strip_prefix('!').unwrap_or(word);
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
            Self::Phase(text) => cluster.rotation.phase.label().to_lowercase().starts_with(text),
            Self::Project(text) => {
                subject.project.to_lowercase().contains(text)
                    || cluster.id.project().as_str().starts_with(text)
            }
            Self::Region(text) => cluster.id.region().as_str().starts_with(text),
            Self::State(text) => cluster.state.label().to_lowercase().starts_with(text),
            Self::Older(limit) => age().is_some_and(|age| age > *limit),
            Self::Younger(limit) => age().is_some_and(|age| age < *limit),
            Self::Stuck => subject.stuck || stuck(cluster, now).is_some(),
            Self::Due => subject.due,
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
                    due: false,
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
    fn text_is_fuzzy_on_request_or_where_nothing_holds_it() {
        let clusters = [cluster("e-commerc-h", Phase::Never), cluster("echo", Phase::Never)];
        assert_eq!(names("ech", &clusters), ["echo"]);
        assert_eq!(names("~ech", &clusters), ["echo", "e-commerc-h"]);
        assert_eq!(names("emh", &clusters), ["e-commerc-h"], "nothing holds it");
    }

    #[test]
    fn the_whole_name_comes_before_a_part_of_it_and_that_before_the_project() {
        let clusters = ["my-pay", "web", "pay-1", "pay"].map(|name| cluster(name, Phase::Never));
        assert_eq!(names("pay", &clusters), ["pay", "pay-1", "my-pay", "web"]);
        assert_eq!(names("PAY", &clusters), ["pay", "pay-1", "my-pay", "web"]);
    }

    #[test]
    fn an_exclamation_mark_negates_a_word() {
        let clusters = [
            cluster("shop-prod", Phase::Prepared),
            cluster("shop-dev", Phase::Never),
            cluster("web", Phase::Prepared),
        ];
        assert_eq!(names("!shop", &clusters), ["web"]);
        assert_eq!(names("!~shop", &clusters), ["web"]);
        assert_eq!(names("shop !dev", &clusters), ["shop-prod"]);
        assert_eq!(names("!phase:prepared", &clusters), ["shop-dev"]);
        assert_eq!(names("!marked phase:prepared", &clusters), ["shop-prod"]);
        assert_eq!(names("web !", &clusters), ["web"], "not finished");
        assert!(names("!web !shop", &clusters).is_empty());
        assert_eq!(problems("!phase:foo").len(), 1);
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
