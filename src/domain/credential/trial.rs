//! Result of trying a credential.

use crate::domain::credential::verdict::Verdict;
use crate::domain::rotation::Phase;

/// Result of trying a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// The API server accepts it; its permissions do not matter here.
    Accepted,
    /// The API server rejects it, or it does not trust the API server; with the reason.
    Refused(String),
    /// No result: the API server is unreachable, or another server answered. A refused connection tells nothing about a
    /// credential.
    NoAnswer(String),
    /// Not tried, and why.
    NotTried(String),
}

impl Trial {
    /// Why it was not accepted, if that is so.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Accepted => None,
            Self::Refused(why) | Self::NoAnswer(why) | Self::NotTried(why) => Some(why),
        }
    }

    /// Whether it shows that a verdict was wrong. While a step runs, each API server accepts what is new, and rejects
    /// what is old, only once it was restarted.
    pub(super) fn contradicts(&self, verdict: Verdict, phase: &Phase) -> bool {
        let is_transient = matches!(
            (phase, verdict),
            (Phase::Preparing, Verdict::SurvivesComplete)
                | (Phase::Completing, Verdict::BreaksOnComplete)
        );
        match self {
            Self::Accepted => verdict == Verdict::Dead,
            Self::Refused(_) => verdict.works_now() && !is_transient,
            Self::NoAnswer(_) | Self::NotTried(_) => false,
        }
    }
}

/// How many credentials behaved as predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrialSummary {
    pub to_survive: usize,
    pub survived: usize,
    pub to_break: usize,
    pub broke: usize,
    /// Those without a prediction, or without a result of the trial.
    pub open: usize,
}

impl TrialSummary {
    /// Adds one credential; returns whether it behaved as predicted, or true if unknown.
    pub fn count(&mut self, verdict: Verdict, trial: &Trial) -> bool {
        let works = match trial {
            Trial::Accepted => true,
            Trial::Refused(_) => false,
            Trial::NoAnswer(_) | Trial::NotTried(_) => {
                self.open += 1;
                return true;
            }
        };
        match verdict {
            Verdict::SurvivesComplete | Verdict::Works => {
                self.to_survive += 1;
                self.survived += usize::from(works);
                works
            }
            Verdict::BreaksOnComplete | Verdict::BreaksOnStart | Verdict::Dead => {
                self.to_break += 1;
                self.broke += usize::from(!works);
                !works
            }
            Verdict::CannotTell | Verdict::Expired => {
                self.open += 1;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::credential::trial::{Trial, TrialSummary};
    use crate::domain::credential::verdict::Verdict;
    use crate::domain::rotation::Phase;

    #[test]
    fn k8s_01_a_refusal_while_a_step_is_under_way_is_no_word_against_the_verdict() {
        let (new, old) = (Verdict::SurvivesComplete, Verdict::BreaksOnComplete);
        let refused = Trial::Refused("HTTP 401".into());
        for (verdict, phase, contradicts) in [
            (new, Phase::Preparing, false),
            (old, Phase::Preparing, true),
            (new, Phase::Prepared, true),
            (old, Phase::Prepared, true),
            (new, Phase::Completing, true),
            (old, Phase::Completing, false),
            (Verdict::Works, Phase::Completed, true),
            (Verdict::CannotTell, Phase::Completed, false),
        ] {
            assert_eq!(refused.contradicts(verdict, &phase), contradicts, "{verdict:?} {phase:?}");
        }
        assert!(Trial::Accepted.contradicts(Verdict::Dead, &Phase::Completed));
        assert!(!Trial::NoAnswer("x".into()).contradicts(Verdict::Works, &Phase::Completed));
    }

    #[test]
    fn only_an_answer_against_the_verdict_differs() {
        let mut proof = TrialSummary::default();
        let refused = || Trial::Refused("x".into());
        let silent = || Trial::NoAnswer("x".into());
        assert!(proof.count(Verdict::SurvivesComplete, &Trial::Accepted));
        assert!(!proof.count(Verdict::SurvivesComplete, &refused()));
        assert!(proof.count(Verdict::BreaksOnComplete, &refused()));
        assert!(!proof.count(Verdict::BreaksOnComplete, &Trial::Accepted));
        assert!(proof.count(Verdict::SurvivesComplete, &silent()), "it says nothing");
        assert!(proof.count(Verdict::CannotTell, &refused()));
        let counted = TrialSummary { to_survive: 2, survived: 1, to_break: 2, broke: 1, open: 2 };
        assert_eq!(proof, counted);
    }
}
