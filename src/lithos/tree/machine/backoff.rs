//! When a container that ended may start again.

use super::desired::Instance;

/// Delay from the last start to the next one, milliseconds. `ends` is the number of ends in quick succession, at
/// least 1.
pub fn delay(instance: &Instance, ends: u32, random: &mut u64) -> u64 {
    let base = instance.restart_timeout;
    let Some(backoff) = &instance.backoff else {
        return base;
    };
    let doubled = base.saturating_mul(1 << ends.saturating_sub(1).min(32));
    let delay = doubled.min(backoff.max.max(base));
    delay.saturating_add(jitter(delay, backoff.jitter, random))
}

/// True when a container lived so long that its next end is the first of a new row.
pub fn lived_well(instance: &Instance, uptime: u64) -> bool {
    let enough = instance.backoff.as_ref().map_or(0, |backoff| backoff.max);
    uptime > enough.max(instance.restart_timeout)
}

/// 0 to `percent` of the delay.
fn jitter(delay: u64, percent: u32, random: &mut u64) -> u64 {
    let most = delay.saturating_mul(u64::from(percent.min(100))) / 100;
    match most {
        0 => 0,
        most => next(random) % (most + 1),
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::desired::Backoff;
    use super::*;

    fn instance(backoff: Option<(u64, u32)>) -> Instance {
        Instance {
            name: "a/b.0".into(),
            json: "{}".into(),
            restart_timeout: 1000,
            backoff: backoff.map(|(max, jitter)| Backoff { max, jitter }),
            waits: false,
            ports: Vec::new(),
            standby: false,
        }
    }

    #[test]
    fn delay_is_constant_without_backoff() {
        for ends in [1, 2, 50] {
            assert_eq!(delay(&instance(None), ends, &mut 0), 1000);
        }
    }

    #[test]
    fn delay_doubles_up_to_the_maximum() {
        let delays: Vec<u64> = [1, 2, 3, 4, 5, 40, u32::MAX]
            .map(|ends| delay(&instance(Some((10_000, 0))), ends, &mut 0))
            .into();
        assert_eq!(delays, [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
        assert_eq!(
            delay(&instance(Some((500, 0))), 3, &mut 0),
            1000,
            "never below restart-timeout"
        );
    }

    #[test]
    fn jitter_is_the_same_for_a_seed_and_within_its_share() {
        let row = |seed: u64| -> Vec<u64> {
            let mut state = seed;
            (0..100)
                .map(|_| delay(&instance(Some((10_000, 20))), 1, &mut state))
                .collect()
        };
        assert_eq!(row(1), row(1));
        assert_ne!(row(1), row(2));
        assert!(row(3).iter().all(|d| (1000..=1200).contains(d)));
    }
}
