//! What can be coloured, by meaning.

/// How a role is read, for the contrast test and for capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Text that must be readable.
    Text,
    /// Lines, bars and marks that carry no words of their own.
    Mark,
}

macro_rules! roles {
    ($($variant:ident $name:literal $use:ident $doc:literal;)*) => {
        /// What can be coloured. A theme names roles as `Role::name` gives them; a role that a theme does not
        /// name takes the style of the nearest name above it (`peer.trust.sovereign`, `peer.trust`, `peer`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Role { $(#[doc = $doc] $variant,)* }

        impl Role {
            /// All roles, in the order of the theme files.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in theme files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is for, in a few words.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }

            /// How it is read.
            pub fn used_as(self) -> Use {
                match self { $(Self::$variant => Use::$use,)* }
            }
        }
    };
}

roles! {
    Text "text" Text "Ordinary text, and the background of everything";
    TextDim "text.dim" Text "What matters less: times, hints, placeholders";
    TextStrong "text.strong" Text "What matters more";
    Bold "text.bold" Text "Bold text in a message";
    Italic "text.italic" Text "Italic text in a message";
    Strike "text.strike" Text "Struck text in a message";
    Heading "text.heading" Text "A heading in a message";
    Quote "text.quote" Text "A quotation in a message";
    QuoteBar "text.quote.bar" Mark "The bar before a quotation";
    Code "text.code" Text "Code in a line";
    CodeBlock "text.code.block" Text "A block of code";
    CodeKeyword "text.code.keyword" Text "Keywords in a block of code";
    CodeString "text.code.string" Text "Strings in a block of code";
    CodeComment "text.code.comment" Text "Comments in a block of code";
    CodeNumber "text.code.number" Text "Numbers in a block of code";
    Link "text.link" Text "The address of a link";
    ListMark "text.list" Text "The mark before a list item";
    Border "border" Mark "The border of a pane";
    BorderFocused "border.focused" Mark "The border of the pane that has the focus";
    Title "title" Text "The title of a pane";
    TitleFocused "title.focused" Text "The title of the pane that has the focus";
    Selection "selection" Text "What is selected in the pane that has the focus";
    SelectionInactive "selection.inactive" Text "What is selected in other panes";
    Match "match" Text "The letters that matched in the palette, switcher and search";
    Overlay "overlay" Text "Windows over the screen";
    OverlayBorder "overlay.border" Mark "The border of windows over the screen";
    Status "status" Text "The status line";
    StatusKey "status.key" Text "Keys in the status line and the which-key popup";
    StatusStrong "status.strong" Text "What stands out in the status line";
    ScrollTrack "scroll.track" Mark "The track of a scroll bar";
    ScrollThumb "scroll.thumb" Mark "The thumb of a scroll bar";
    Unread "unread" Text "Counts of unread messages";
    PeerName "peer.name" Text "A peer's name";
    PeerSelf "peer.self" Text "One's own name";
    PeerMuted "peer.muted" Text "A muted peer";
    PeerBlocked "peer.blocked" Text "A blocked peer";
    PeerOnline "peer.online" Text "The mark of a peer that was heard of just now";
    PeerAway "peer.away" Text "The mark of a peer that was not";
    PeerThread "peer.thread" Text "A thread under its peer";
    PeerConflict "peer.conflict" Text "A peer whose key changed";
    TrustUntrusted "peer.trust.untrusted" Text "The badge of an untrusted peer";
    TrustVerified "peer.trust.verified" Text "The badge of a verified peer";
    TrustTrusted "peer.trust.trusted" Text "The badge of a trusted peer";
    TrustSovereign "peer.trust.sovereign" Text "The badge of a sovereign peer";
    MessageOwn "message.own" Text "The name at one's own messages";
    MessageOther "message.other" Text "The name at messages of others";
    MessageTime "message.time" Text "The time of a message";
    MessageQuote "message.quote" Text "The quote above a reply";
    MessageDay "message.day" Text "The line between days";
    MessageUnreadLine "message.unread-line" Text "The line above the first unread message";
    MessageLate "message.late" Text "The mark of a message that came late";
    MessageUrgent "message.urgent" Text "The mark of an urgent message";
    MessageVia "message.via" Text "Which way a message came";
    StateQueued "message.state.queued" Text "A message that waits";
    StateInFlight "message.state.in-flight" Text "A message a transport has in hand";
    StateAccepted "message.state.accepted" Text "A message the next hop has";
    StateDelivered "message.state.delivered" Text "A message that arrived";
    StateRead "message.state.read" Text "A message that was read";
    StateHeld "message.state.held" Text "A message that is held";
    StateExpired "message.state.expired" Text "A message whose time passed";
    StateFailed "message.state.failed" Text "A message that was given up";
    ComposerText "composer.text" Text "What is being written";
    ComposerPlaceholder "composer.placeholder" Text "The hint in an empty composer";
    ComposerLimit "composer.limit" Text "The count near a limit";
    ModeFailover "composer.mode.failover" Text "Failover mode";
    ModeBroadcast "composer.mode.broadcast" Text "Broadcast mode";
    ModeStealth "composer.mode.stealth" Text "Stealth mode";
    ModeSpeed "composer.mode.speed" Text "Speed mode";
    UrgencyLow "composer.urgency.low" Text "Low urgency";
    UrgencyHigh "composer.urgency.high" Text "High urgency";
    UrgencyCritical "composer.urgency.critical" Text "Critical urgency";
    HealthUp "health.up" Text "A transport that is ready";
    HealthStarting "health.starting" Text "A transport that is getting ready";
    HealthDegraded "health.degraded" Text "A transport that works in part";
    HealthDown "health.down" Text "A transport that is not usable";
    HealthDisabled "health.disabled" Text "A transport that is switched off";
    HealthSpark "health.spark" Mark "The latencies of a transport";
    FlashFailed "health.flash.failed" Text "The path that has just failed";
    FlashChosen "health.flash.chosen" Text "The path that has just been taken instead";
    NoticeInfo "notice.info" Text "A notice that is good to know";
    NoticeWarning "notice.warning" Text "A notice to look at";
    NoticeError "notice.error" Text "A failure";
    NoticeSecurity "notice.security" Text "A notice about keys or forgery";
    Banner "banner" Text "The banner of a key conflict";
    QrCode "qr" Text "QR codes: dark on light, whatever the theme";
}
