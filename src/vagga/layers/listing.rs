//! `vagga _layers`: what is kept, why, how large.

use std::time::Duration;

use super::inventory::Kept;
use crate::vagga::build::progress::size;

/// Digits of a key that people see.
const SHORT: usize = 12;

/// Two lines for every layer, the last used one first, and a sum.
pub fn listing(all: &[Kept]) -> String {
    let mut text = String::new();
    for kept in all {
        let why = why(&kept.images);
        let key = kept.key.get(..SHORT).unwrap_or(&kept.key);
        let amount = size(kept.bytes);
        let used = ago(kept.idle());
        text.push_str(&format!(
            "{key} {amount:>8}  {}: {}\n                      used {used}; {why}\n",
            kept.container, kept.step
        ));
    }
    let sum = all.iter().fold(0u64, |sum, kept| sum.saturating_add(kept.bytes));
    text.push_str(&format!("{} layers, {}\n", all.len(), size(sum)));
    text
}

/// Why a layer is kept.
fn why(images: &[String]) -> String {
    const NAMED: usize = 3;
    let named = images.get(..NAMED).unwrap_or(images).join(", ");
    match images.len() {
        0 => "no image is made of it".to_string(),
        n if n > NAMED => format!("part of {named} and {} more images", n - NAMED),
        _ => format!("part of {named}"),
    }
}

/// A time that has passed, in its largest unit.
fn ago(idle: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(86400, "days"), (3600, "hours"), (60, "minutes")];
    if idle == Duration::from_secs(Duration::MAX.as_secs()) {
        return "never".to_string();
    }
    let seconds = idle.as_secs();
    UNITS
        .iter()
        .find(|(unit, _)| seconds >= 2 * unit)
        .map_or("just now".to_string(), |(unit, name)| {
            format!("{} {name} ago", seconds / unit)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_listed_with_their_reason() {
        let kept = Kept {
            key: "0123456789abcdef0123456789abcdef".into(),
            container: "app".into(),
            step: "!Sh make".into(),
            bytes: 1500,
            entries: 3,
            idle: 7300,
            images: vec!["app.01234567".into()],
        };
        assert_eq!(
            listing(&[kept]),
            "0123456789ab   1.5 kB  app: !Sh make\n                      used 2 hours ago; part of \
             app.01234567\n1 layers, 1.5 kB\n"
        );
        assert_eq!(ago(Duration::from_secs(100)), "just now");
        assert_eq!(ago(Duration::from_secs(3 * 86400)), "3 days ago");
    }
}
