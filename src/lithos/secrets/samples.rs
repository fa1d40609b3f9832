//! Keys and a secret for tests, made for the description of the format and for this room; they open nothing else.

/// 00 to 1f.
pub fn seed() -> [u8; 32] {
    std::array::from_fn(|i| u8::try_from(i).unwrap_or_default())
}

/// Lower case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// `the_secret` in namespace `myapp` for [`PUBLIC`], made with the ephemeral private key 0x42, 0x42, …
pub const SECRET: &str = "v2:i4+dWTpg:KqWSX0BY:8MtOoWUX:\
    EyxEK+AQ+9V+cmAzKKp25x/MwVA6riGTJ9FNnJmT9HLomKMXBeuQbrqP8GbPcBNMh8Sb7Gfv0G3k5GWaMogvjg==";

/// The public half of [`PRIVATE`].
pub const PUBLIC: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4 test-key\n";

/// The key of [`seed`] as ssh-keygen writes it.
pub const PRIVATE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuAAAAJABAgMEAQID
BAAAAAtzc2gtZWQyNTUxOQAAACADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA
AAAEAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHwOhB7/zzhC+HXDdGOdLwJln
5NYwm6UNXx3chmQSVTG4AAAACHRlc3Qta2V5AQIDBAU=
-----END OPENSSH PRIVATE KEY-----
";

/// Another key.
pub const OTHER_PRIVATE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACBIFJMo+R2svy0kgO2IoxBoNcqMTb1ef/uerAhrb8eJCAAAAJDSuTlp0rk5
aQAAAAtzc2gtZWQyNTUxOQAAACBIFJMo+R2svy0kgO2IoxBoNcqMTb1ef/uerAhrb8eJCA
AAAEC6rpGCHx0RCT/lhFs4nyeAHO3pxddcO+pyZWEvNUu2LEgUkyj5Hay/LSSA7YijEGg1
yoxNvV5/+56sCGtvx4kIAAAACW90aGVyLWtleQECAwQ=
-----END OPENSSH PRIVATE KEY-----
";
