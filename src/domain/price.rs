//! Money: the price of a part and what a number of parts costs, in ten-thousandths of the currency's unit, so that
//! `0.0240` a part adds up exactly. No floating point, no exchange rates.

use std::fmt;

/// An amount in ten-thousandths of a currency unit (1 = 0.0001).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(i64);

impl Price {
    /// Reads `0.024`, `2` or `12.5`: at most four decimals, no sign, below 100,000.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || whole.len() > 5 || decimals.len() > 4 || !digits(whole) || !digits(decimals) {
            return None;
        }
        format!("{whole}{decimals:0<4}").parse().ok().map(Self)
    }

    /// The cost of `parts` at this price a part.
    #[must_use]
    pub fn times(self, parts: u64) -> Self {
        Self(self.0.saturating_mul(i64::try_from(parts).unwrap_or(i64::MAX)))
    }

    /// All four decimals.
    pub fn exact(self) -> String {
        format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000)
    }

    /// True for nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Price {
    /// Two decimals, rounded up to the next hundredth: a bill is never smaller than announced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = self.0.saturating_add(99) / 100;
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_add_up_exactly_and_round_up_once() {
        let price = Price::parse("0.024").expect("a price");
        assert_eq!(price.times(1).to_string(), "0.03");
        assert_eq!(price.times(4000).to_string(), "96.00");
        assert_eq!(Price::parse("2").expect("a price").times(3).to_string(), "6.00");
        for wrong in ["", ".5", "1.00001", "-1", "0,024", "100000", "free"] {
            assert_eq!(Price::parse(wrong), None, "{wrong}");
        }
    }
}
