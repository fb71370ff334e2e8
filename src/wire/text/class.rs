//! What a character is to a terminal and to a reader.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{BidiClass, DefaultIgnorableCodePoint, ExtendedPictographic, GeneralCategory as Gc, Script},
};

/// What is put in the place of a character that has no picture of its own.
pub(super) const MARK: char = '\u{FFFD}';

/// The picture of ESC, also for the C1 codes that begin or end an escape sequence.
const ESCAPE: char = '\u{241B}';

/// How a character is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Stays.
    Plain,
    /// `\n`.
    LineFeed,
    /// `\r`.
    CarriageReturn,
    /// `\t`.
    Tab,
    /// U+2028 and U+2029.
    Separator,
    /// Becomes this mark.
    Control(char),
    /// A space other than U+0020.
    Space,
    /// Goes on top of what is before it, or joins it: combining marks, vowel and final jamo.
    Combining,
    /// ZWJ and ZWNJ.
    Joiner,
    /// A variation selector.
    Selector,
    /// LRM, RLM, ALM: no override, needed now and then in right-to-left text.
    DirectionMark,
    /// Private use, or blank without being a space.
    Obscure,
    /// Invisible, overriding, unassigned: never shown.
    Hidden,
}

/// Whether `c` is of the many characters that are plain and neither join nor change what is beside them: visible
/// ASCII, Latin, Cyrillic, Han, Hangul syllables. Known without a table, for the sake of speed.
pub(super) fn stands_alone(c: char) -> bool {
    matches!(c,
        ' '..='~' | '\u{C0}'..='\u{24F}' | '\u{400}'..='\u{481}' | '\u{48A}'..='\u{52F}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7A3}')
}

/// The class of `c`.
pub(super) fn class(c: char) -> Class {
    match c {
        _ if stands_alone(c) => Class::Plain,
        '\n' => Class::LineFeed,
        '\r' => Class::CarriageReturn,
        '\t' => Class::Tab,
        '\0'..='\x1F' => Class::Control(char::from_u32(0x2400 + u32::from(c)).unwrap_or(MARK)),
        '\x7F' => Class::Control('\u{2421}'),
        // DCS, SOS, CSI, ST, OSC, PM, APC (ECMA-48 section 8.3).
        '\u{90}' | '\u{98}' | '\u{9B}'..='\u{9F}' => Class::Control(ESCAPE),
        '\u{80}'..='\u{9F}' => Class::Control(MARK),
        '\u{200C}' | '\u{200D}' => Class::Joiner,
        '\u{200E}' | '\u{200F}' | '\u{61C}' => Class::DirectionMark,
        '\u{2028}' | '\u{2029}' => Class::Separator,
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{180B}'..='\u{180D}' | '\u{180F}' => Class::Selector,
        '\u{2800}' => Class::Obscure,
        _ if CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c) => Class::Hidden,
        '\u{1161}'..='\u{11FF}' | '\u{D7B0}'..='\u{D7FF}' if category(c) == Gc::OtherLetter => Class::Combining,
        _ => by_category(c),
    }
}

/// The class by the general category alone.
pub(super) fn by_category(c: char) -> Class {
    match category(c) {
        Gc::NonspacingMark | Gc::SpacingMark | Gc::EnclosingMark => Class::Combining,
        Gc::SpaceSeparator => Class::Space,
        Gc::PrivateUse => Class::Obscure,
        // The Arabic, Syriac and Kaithi signs that stand over or around digits are visible.
        Gc::Format if is_visible_format(c) => Class::Plain,
        Gc::Control | Gc::Format | Gc::Surrogate | Gc::Unassigned => Class::Hidden,
        _ => Class::Plain,
    }
}

fn category(c: char) -> Gc {
    CodePointMapData::<Gc>::new().get(c)
}

/// The property Prepended_Concatenation_Mark of Unicode.
fn is_visible_format(c: char) -> bool {
    matches!(
        c,
        '\u{600}'..='\u{605}' | '\u{6DD}' | '\u{70F}' | '\u{890}' | '\u{891}' | '\u{8E2}' | '\u{110BD}' | '\u{110CD}'
    )
}

/// Whether ZWJ and variation selectors may follow to make an emoji.
pub(super) fn is_pictograph(c: char) -> bool {
    !c.is_ascii() && CodePointSetData::new::<ExtendedPictographic>().contains(c)
}

/// The skin tones, which stand between a pictograph and a joiner.
pub(super) fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

/// Whether `c` is a letter that is written from right to left.
pub(super) fn is_right_to_left(c: char) -> bool {
    c >= '\u{590}'
        && class(c) == Class::Plain
        && matches!(CodePointMapData::<BidiClass>::new().get(c), BidiClass::RightToLeft | BidiClass::ArabicLetter)
}

/// Whether ZWJ and ZWNJ change how the letters of `c`'s script join.
pub(super) fn joins_letters(c: char) -> bool {
    const SCRIPTS: [Script; 27] = [
        Script::Adlam,
        Script::Arabic,
        Script::Balinese,
        Script::Bengali,
        Script::Brahmi,
        Script::Devanagari,
        Script::Grantha,
        Script::Gujarati,
        Script::Gurmukhi,
        Script::HanifiRohingya,
        Script::Javanese,
        Script::Kaithi,
        Script::Kannada,
        Script::Khmer,
        Script::Malayalam,
        Script::Mandaic,
        Script::MeeteiMayek,
        Script::Mongolian,
        Script::Myanmar,
        Script::Nko,
        Script::Oriya,
        Script::Sinhala,
        Script::Syriac,
        Script::Tamil,
        Script::Telugu,
        Script::Tibetan,
        Script::Sundanese,
    ];
    !c.is_ascii() && SCRIPTS.contains(&CodePointMapData::<Script>::new().get(c))
}
