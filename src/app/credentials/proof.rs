//! Whether credentials did what was foretold of them.

use crate::domain::credential::{Trial, Verdict};

/// How many credentials did what was foretold of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    pub to_survive: usize,
    pub survived: usize,
    pub to_break: usize,
    pub broke: usize,
    /// Of the others nothing was foretold, or trying gave no answer.
    pub open: usize,
}

impl Proof {
    /// Counts one in; returns whether it did what was foretold, as far as that is known.
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
    use crate::app::credentials::proof::Proof;
    use crate::domain::credential::{Trial, Verdict};

    #[test]
    fn only_an_answer_against_the_verdict_differs() {
        let mut proof = Proof::default();
        let refused = || Trial::Refused("x".into());
        let silent = || Trial::NoAnswer("x".into());
        assert!(proof.count(Verdict::SurvivesComplete, &Trial::Accepted));
        assert!(!proof.count(Verdict::SurvivesComplete, &refused()));
        assert!(proof.count(Verdict::BreaksOnComplete, &refused()));
        assert!(!proof.count(Verdict::BreaksOnComplete, &Trial::Accepted));
        assert!(proof.count(Verdict::SurvivesComplete, &silent()), "it says nothing");
        assert!(proof.count(Verdict::CannotTell, &refused()));
        let counted = Proof { to_survive: 2, survived: 1, to_break: 2, broke: 1, open: 2 };
        assert_eq!(proof, counted);
    }
}
