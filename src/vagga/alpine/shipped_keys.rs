//! Alpine's public keys as shipped by the distribution (see `assets/keyrings/README.md`), with the architectures whose
//! repositories they sign.

/// A key: name in the file of the distribution, architectures, PEM text.
pub type Shipped = (&'static str, &'static [&'static str], &'static str);

macro_rules! key {
    ($id:literal, $arches:expr) => {
        (
            concat!("alpine-devel@lists.alpinelinux.org-", $id, ".rsa.pub"),
            &$arches,
            include_str!(concat!(
                "../../../assets/keyrings/alpine/alpine-devel@lists.alpinelinux.org-",
                $id,
                ".rsa.pub"
            )),
        )
    };
}

/// All of them.
#[rustfmt::skip]
pub const KEYS: &[Shipped] = &[
    key!("4a6a0840", ["x86", "x86_64"]),
    key!("5243ef4b", ["x86"]),
    key!("524d27bb", ["armhf", "armv7"]),
    key!("5261cecb", ["x86_64"]),
    key!("58199dcc", ["aarch64"]),
    key!("58cbb476", ["ppc64le"]),
    key!("58e4f17d", ["s390x"]),
    key!("5e69ca50", ["mips64"]),
    key!("60ac2099", ["riscv64"]),
    key!("6165ee59", ["x86_64"]),
    key!("61666e3f", ["x86"]),
    key!("616a9724", ["armhf"]),
    key!("616abc23", ["ppc64le"]),
    key!("616ac3bc", ["s390x"]),
    key!("616adfeb", ["armv7"]),
    key!("616ae350", ["aarch64"]),
    key!("616db30d", ["riscv64"]),
    key!("66ba20fe", ["loongarch64"]),
];
