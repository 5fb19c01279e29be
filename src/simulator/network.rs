//! The network between clients and the cloud's own APIs: latency and random loss, by seed.

use std::time::Duration;

use crate::simulator::faults::FaultEffect;
use crate::simulator::rng::Rng;

/// Delay of a lost response, in milliseconds: within the timeout of most clients, or beyond it.
const SLOW: [u64; 4] = [2_000, 5_000, 10_000, 30_000];

/// Latency and loss.
#[derive(Debug)]
pub struct Network {
    latency: Duration,
    loss: f64,
    rng: Rng,
}

impl Network {
    /// A perfect network.
    pub fn new(seed: u64) -> Self {
        Self { latency: Duration::ZERO, loss: 0.0, rng: Rng::for_name(seed, "network") }
    }

    /// Sets average latency, and the fraction of requests to lose.
    pub fn set(&mut self, latency: Duration, loss: f64) {
        (self.latency, self.loss) = (latency, loss);
    }

    /// The effects on the next request.
    pub fn effects(&mut self) -> Vec<FaultEffect> {
        let mut effects = Vec::new();
        let delay = |milliseconds| FaultEffect::Delay { milliseconds };
        if !self.latency.is_zero() {
            // Half of it is constant.
            let varied = self.latency.mul_f64(0.5 + self.rng.fraction());
            effects.push(delay(u64::try_from(varied.as_millis()).unwrap_or(u64::MAX)));
        }
        if self.loss > 0.0 && self.rng.fraction() < self.loss {
            effects.push(match self.rng.below(3) {
                0 => FaultEffect::Answer {
                    status: 503,
                    body: "upstream connect error or disconnect/reset before headers".to_owned(),
                    retry_after: None,
                    content_type: "text/plain".to_owned(),
                },
                1 => FaultEffect::Drop {},
                _ => delay(SLOW.get(self.rng.below(SLOW.len())).copied().unwrap_or_default()),
            });
        }
        effects
    }
}
