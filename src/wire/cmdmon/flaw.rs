//! Flaws of sources as codes of slewd's own report.

use super::field::Coded;
use crate::core::api::flaw::Flaw;

impl Coded for Option<Flaw> {
    fn code(&self) -> u16 {
        let place = self.and_then(|flaw| Flaw::ALL.iter().position(|other| *other == flaw));
        place.map_or(0, |place| place as u16 + 1)
    }

    /// One that a later daemon names is none that this one names.
    fn from_code(code: u16) -> Option<Flaw> {
        Flaw::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flaw_has_a_code_of_its_own() {
        for (place, flaw) in Flaw::ALL.into_iter().enumerate() {
            assert_eq!(Some(flaw).code(), place as u16 + 1);
            assert_eq!(Option::<Flaw>::from_code(Some(flaw).code()), Some(flaw));
        }
        assert_eq!(None::<Flaw>.code(), 0);
        assert_eq!(Option::<Flaw>::from_code(0), None);
        assert_eq!(Option::<Flaw>::from_code(Flaw::ALL.len() as u16 + 1), None);
    }
}
