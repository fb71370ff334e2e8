# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_skcomm_global_optspecs
    string join \n home= json passphrase-file= passphrase-fd= h/help V/version
end

function __fish_skcomm_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_skcomm_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_skcomm_using_subcommand
    set -l cmd (__fish_skcomm_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c skcomm -n "__fish_skcomm_needs_command" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_needs_command" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_needs_command" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_needs_command" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_needs_command" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_needs_command" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "init" -d 'Make a key, an identity and the first transports'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "identity" -d 'Show who you are: name, fingerprint, and the words to read it aloud'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "peer" -d 'Peers: whom you write to, and where they are reached'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "thread" -d 'Threads: what their messages get'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "keys" -d 'Keys: list, exchange, trust, revoke'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "send" -d 'Send a message'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "file" -d 'Files: send, take, pause, resume, give up'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "receive" -d 'Print unread messages and mark them read'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "history" -d 'Print older messages, both ways, oldest first'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "search" -d 'Search all messages, newest first'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "status" -d 'The node at a glance'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "queue" -d 'What is not yet delivered'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "transport" -d 'Transports: the ways messages can take'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "route" -d 'The path choice'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "trace" -d 'The whole story of one message: state, attempts, plan'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "daemon" -d 'Run the node in the foreground, without a screen'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "serve" -d 'Run a WebSocket relay, which keeps sealed messages for recipients that are away'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "completions" -d 'Print shell completions'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "man" -d 'Print the manual page (roff)'
complete -c skcomm -n "__fish_skcomm_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l name -d 'The name others see' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l email -d 'For the key\'s user id' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l fqid -d 'Your id as agent@operator.realm' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l listen -d 'Listen for peers on this TCP address, such as 0.0.0.0:9999' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l folder -d 'A shared folder to receive messages in; may be repeated' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l relay -d 'A relay that keeps messages for you, such as wss://relay.example; may be repeated' -r -f
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l no-passphrase -d 'Leave the private key unprotected on the disk'
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand init" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand identity" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand identity" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand identity" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand identity" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand identity" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand identity" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "add" -d 'Add a peer, or routes or a key to a peer'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "list" -d 'List all peers'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "show" -d 'Everything about one peer'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "set" -d 'Set what messages to a peer get that ask for nothing else'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "remove" -d 'Forget a peer; its messages stay'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "block" -d 'Refuse a peer\'s messages, and write it none'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "unblock" -d 'Undo `block`'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "mute" -d 'No notifications for this peer\'s messages'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "unmute" -d 'Undo `mute`'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "accept" -d 'Accept a stranger who wrote to you'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and not __fish_seen_subcommand_from add list show set remove block unblock mute unmute accept help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l name -d 'What you call it' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l pubkey -d 'Its certificate, armored; `-` is standard input. Without it messages to the peer are held' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l fqid -d 'Its id as agent@operator.realm' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l route -d 'Where it is reached, over which of your transports; may be repeated, the first is preferred' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l mode -d 'How many paths they take, and which are allowed' -r -f -a "failover\t''
broadcast\t''
stealth\t''
speed\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l policy -d 'Which of the allowed paths is the best' -r -f -a "balanced\t''
fastest\t''
cheapest\t''
most-private\t''
surest\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l urgency -d 'How much they matter' -r -f -a "low\t''
normal\t''
high\t''
critical\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l ttl -d 'Given up after so many seconds, at most 28 days' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from add" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from list" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from list" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from list" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from list" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from show" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from show" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from show" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from show" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -l mode -d 'How many paths they take, and which are allowed' -r -f -a "failover\t''
broadcast\t''
stealth\t''
speed\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -l policy -d 'Which of the allowed paths is the best' -r -f -a "balanced\t''
fastest\t''
cheapest\t''
most-private\t''
surest\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -l urgency -d 'How much they matter' -r -f -a "low\t''
normal\t''
high\t''
critical\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -l ttl -d 'Given up after so many seconds, at most 28 days' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -l clear -d 'Unset these, so that the next more general default applies again' -r -f -a "mode\t''
policy\t''
urgency\t''
ttl\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from set" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from remove" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from remove" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from remove" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from remove" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from block" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from block" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from block" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from block" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from block" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from block" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unblock" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unblock" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unblock" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unblock" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unblock" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unblock" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from mute" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from mute" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from mute" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from mute" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from mute" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from mute" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unmute" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unmute" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unmute" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unmute" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unmute" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from unmute" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from accept" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from accept" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from accept" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from accept" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from accept" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from accept" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a peer, or routes or a key to a peer'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "list" -d 'List all peers'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "show" -d 'Everything about one peer'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "set" -d 'Set what messages to a peer get that ask for nothing else'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Forget a peer; its messages stay'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "block" -d 'Refuse a peer\'s messages, and write it none'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "unblock" -d 'Undo `block`'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "mute" -d 'No notifications for this peer\'s messages'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "unmute" -d 'Undo `mute`'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "accept" -d 'Accept a stranger who wrote to you'
complete -c skcomm -n "__fish_skcomm_using_subcommand peer; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and not __fish_seen_subcommand_from set help" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and not __fish_seen_subcommand_from set help" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and not __fish_seen_subcommand_from set help" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and not __fish_seen_subcommand_from set help" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and not __fish_seen_subcommand_from set help" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and not __fish_seen_subcommand_from set help" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and not __fish_seen_subcommand_from set help" -f -a "set" -d 'Set what messages in a thread with a peer get that ask for nothing else'
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and not __fish_seen_subcommand_from set help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -l mode -d 'How many paths they take, and which are allowed' -r -f -a "failover\t''
broadcast\t''
stealth\t''
speed\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -l policy -d 'Which of the allowed paths is the best' -r -f -a "balanced\t''
fastest\t''
cheapest\t''
most-private\t''
surest\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -l urgency -d 'How much they matter' -r -f -a "low\t''
normal\t''
high\t''
critical\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -l ttl -d 'Given up after so many seconds, at most 28 days' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -l clear -d 'Unset these, so that the next more general default applies again' -r -f -a "mode\t''
policy\t''
urgency\t''
ttl\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from set" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from help" -f -a "set" -d 'Set what messages in a thread with a peer get that ask for nothing else'
complete -c skcomm -n "__fish_skcomm_using_subcommand thread; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -f -a "list" -d 'Your own key and those of your peers'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -f -a "export" -d 'Print a certificate: your own, to give it to others, or a peer\'s'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -f -a "import" -d 'Pin a certificate to a peer, new or known'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -f -a "trust" -d 'Set how far a peer is trusted, after comparing fingerprints'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -f -a "conflict" -d 'Decide what to do about a peer whose key changed'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -f -a "revoke" -d 'Revoke your own key, for good'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and not __fish_seen_subcommand_from list export import trust conflict revoke help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from list" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from list" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from list" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from list" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from export" -s o -l output -d 'Write to this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from export" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from export" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from export" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from export" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from export" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from import" -l name -d 'Whose it is' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from import" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from import" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from import" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from import" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from import" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from trust" -l level -d 'The new level' -r -f -a "untrusted\t''
verified\t''
trusted\t''
sovereign\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from trust" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from trust" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from trust" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from trust" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from trust" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from trust" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from conflict" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from conflict" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from conflict" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from conflict" -l accept-new -d 'Pin the new key; the peer falls back to untrusted'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from conflict" -l keep-old -d 'Keep the pinned key and forget the new one'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from conflict" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from conflict" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from conflict" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from revoke" -s o -l output -d 'Write the revoked certificate to this file too; printed otherwise' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l yes -d 'Do not ask'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from revoke" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from revoke" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "list" -d 'Your own key and those of your peers'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "export" -d 'Print a certificate: your own, to give it to others, or a peer\'s'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "import" -d 'Pin a certificate to a peer, new or known'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "trust" -d 'Set how far a peer is trusted, after comparing fingerprints'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "conflict" -d 'Decide what to do about a peer whose key changed'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Revoke your own key, for good'
complete -c skcomm -n "__fish_skcomm_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l to -d 'To whom: name, FQID or fingerprint' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l mode -d 'How many paths it takes, and which are allowed; as for policy, urgency and ttl, the default of the thread, the peer or the configuration without it' -r -f -a "failover\t''
broadcast\t''
stealth\t''
speed\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l policy -d 'Which of the allowed paths is the best' -r -f -a "balanced\t''
fastest\t''
cheapest\t''
most-private\t''
surest\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l thread -d 'The thread [default: general]' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l reply-to -d 'The message it answers' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l urgency -d 'How much it matters' -r -f -a "low\t''
normal\t''
high\t''
critical\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l ttl -d 'Give up after so many seconds, at most 28 days' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l wait -d 'How long to wait for delivery; 0 returns once the message is safe in the outbox' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l lines -d 'One message per line of the text'
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand send" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -f -a "send" -d 'Offer a file to a peer, and send it when the peer takes it'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -f -a "list" -d 'List files on their way, both ways, and those that ended lately'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -f -a "accept" -d 'Take a file that a peer offers'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -f -a "pause" -d 'Let a file rest, coming or going'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -f -a "resume" -d 'Go on with a file that was paused, or fetch one anew that came damaged'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -f -a "cancel" -d 'Give a file up, or refuse an offered one; what came of it is removed'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and not __fish_seen_subcommand_from send list accept pause resume cancel help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -l to -d 'To whom: name, FQID or fingerprint' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -l thread -d 'The thread the offer stands in [default: general]' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -l mode -d 'Which paths are allowed, as for a message; the chunks take one path at a time' -r -f -a "failover\t''
broadcast\t''
stealth\t''
speed\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -l policy -d 'Which of the allowed paths is the best' -r -f -a "balanced\t''
fastest\t''
cheapest\t''
most-private\t''
surest\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -l wait -d 'How long to wait; 0 returns once the offer is safe in the outbox' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from send" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from list" -l peer -d 'Only with this peer' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from list" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from list" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from list" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from list" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from accept" -l wait -d 'How long to follow it; 0 returns at once' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from accept" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from accept" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from accept" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from accept" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from accept" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from accept" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from pause" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from pause" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from pause" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from pause" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from pause" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from resume" -l wait -d 'How long to follow it; 0 returns at once' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from resume" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from resume" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from resume" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from resume" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from resume" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from cancel" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from cancel" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from cancel" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from cancel" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from cancel" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from help" -f -a "send" -d 'Offer a file to a peer, and send it when the peer takes it'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from help" -f -a "list" -d 'List files on their way, both ways, and those that ended lately'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from help" -f -a "accept" -d 'Take a file that a peer offers'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from help" -f -a "pause" -d 'Let a file rest, coming or going'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from help" -f -a "resume" -d 'Go on with a file that was paused, or fetch one anew that came damaged'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from help" -f -a "cancel" -d 'Give a file up, or refuse an offered one; what came of it is removed'
complete -c skcomm -n "__fish_skcomm_using_subcommand file; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -l wait -d 'Wait so long for a message if none is unread [default: 0, or 2 without a running node]' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -l limit -d 'At most so many, the oldest first' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -l peer -d 'Only from this peer' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -l follow -d 'Go on printing what arrives, until interrupted'
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -l peek -d 'Leave them unread, and send no read receipts'
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand receive" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand history" -l peer -d 'Only with this peer' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand history" -l thread -d 'Only in this thread' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand history" -l limit -d 'The newest so many' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand history" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand history" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand history" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand history" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand history" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand history" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand search" -l peer -d 'Only with this peer' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand search" -l thread -d 'Only in this thread' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand search" -l limit -d 'At most so many' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand search" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand search" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand search" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand search" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand search" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand search" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand status" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand status" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand status" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand status" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand status" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand status" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -f -a "list" -d 'List what is not yet delivered'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -f -a "retry" -d 'Try again now'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -f -a "release" -d 'Let go on what was held because two programs seemed to answer each other for ever'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -f -a "purge" -d 'Give up what waits'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and not __fish_seen_subcommand_from list retry release purge help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from list" -l peer -d 'Only for this peer' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from list" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from list" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from list" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from list" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from retry" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from retry" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from retry" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from retry" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from retry" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from release" -l peer -d 'Only for this peer' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from release" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from release" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from release" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from release" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from release" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from release" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from purge" -l peer -d 'Only for this peer' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from purge" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from purge" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from purge" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from purge" -l yes -d 'Do not ask'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from purge" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from purge" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from purge" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from help" -f -a "list" -d 'List what is not yet delivered'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from help" -f -a "retry" -d 'Try again now'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from help" -f -a "release" -d 'Let go on what was held because two programs seemed to answer each other for ever'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from help" -f -a "purge" -d 'Give up what waits'
complete -c skcomm -n "__fish_skcomm_using_subcommand queue; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -f -a "list" -d 'How each one is'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -f -a "enable" -d 'Switch one on'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -f -a "disable" -d 'Switch one off'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -f -a "probe" -d 'Check one now'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -f -a "priority" -d 'Raise or lower one: lower numbers go first'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and not __fish_seen_subcommand_from list enable disable probe priority help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from list" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from list" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from list" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from list" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from enable" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from enable" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from enable" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from enable" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from enable" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from enable" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from disable" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from disable" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from disable" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from disable" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from disable" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from disable" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from probe" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from probe" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from probe" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from probe" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from probe" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from probe" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from priority" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from priority" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from priority" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from priority" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from priority" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from priority" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from help" -f -a "list" -d 'How each one is'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from help" -f -a "enable" -d 'Switch one on'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from help" -f -a "disable" -d 'Switch one off'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from help" -f -a "probe" -d 'Check one now'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from help" -f -a "priority" -d 'Raise or lower one: lower numbers go first'
complete -c skcomm -n "__fish_skcomm_using_subcommand transport; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and not __fish_seen_subcommand_from explain help" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and not __fish_seen_subcommand_from explain help" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and not __fish_seen_subcommand_from explain help" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and not __fish_seen_subcommand_from explain help" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and not __fish_seen_subcommand_from explain help" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and not __fish_seen_subcommand_from explain help" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and not __fish_seen_subcommand_from explain help" -f -a "explain" -d 'What would happen to a message to this peer, and why'
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and not __fish_seen_subcommand_from explain help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -l thread -d 'As if in this thread [default: general]' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -l mode -d 'As if sent in this mode' -r -f -a "failover\t''
broadcast\t''
stealth\t''
speed\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -l policy -d 'As if sent with this policy' -r -f -a "balanced\t''
fastest\t''
cheapest\t''
most-private\t''
surest\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -l urgency -d 'As if of this urgency' -r -f -a "low\t''
normal\t''
high\t''
critical\t''"
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -l without -d 'As if these transports were dead' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -l size -d 'As if of this size, in bytes' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from explain" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from help" -f -a "explain" -d 'What would happen to a message to this peer, and why'
complete -c skcomm -n "__fish_skcomm_using_subcommand route; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand trace" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand trace" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand trace" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand trace" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand trace" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand trace" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand daemon" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand daemon" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand daemon" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand daemon" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand daemon" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c skcomm -n "__fish_skcomm_using_subcommand daemon" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l listen -d 'Where it listens; port 0 takes a free one' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l data -d 'The folder of its mailboxes [default: relay in the home folder]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l store -d 'Keep the mailboxes in NATS JetStream, together with other relays: nats://HOST,HOST?SETTING=VALUE&SETTING=VALUE' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l name -d 'A name, for people' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l host -d 'A name by which clients dial it, as HOST:PORT or HOST; may be repeated' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l member -d 'Only these may have a mailbox, by fingerprint; may be repeated. Everybody without it' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l token-file -d 'Clients must know the secret in the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l tls-cert -d 'A TLS certificate, PEM, its intermediates behind it' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l tls-key -d 'The certificate\'s private key, PEM' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l max-connections -d 'Most connections at once' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l mailbox-messages -d 'Most messages in one mailbox' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l mailbox-mib -d 'Most MiB in one mailbox' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l total-mib -d 'Most MiB in all mailboxes' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l keep-days -d 'How many days a message is kept' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l guests -d 'Others than members may leave messages for members'
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c skcomm -n "__fish_skcomm_using_subcommand serve" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand completions" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand completions" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand completions" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand completions" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand completions" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand completions" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand man" -l home -d 'The home folder [default: $SKCOMM_HOME, else ~/.skcomm]' -r -f -a "(__fish_complete_directories)"
complete -c skcomm -n "__fish_skcomm_using_subcommand man" -l passphrase-file -d 'Read the passphrase of the private key from the first line of this file' -r -F
complete -c skcomm -n "__fish_skcomm_using_subcommand man" -l passphrase-fd -d 'Read the passphrase from the first line of this open file descriptor' -r
complete -c skcomm -n "__fish_skcomm_using_subcommand man" -l json -d 'One JSON object a line, for programs'
complete -c skcomm -n "__fish_skcomm_using_subcommand man" -s h -l help -d 'Print help'
complete -c skcomm -n "__fish_skcomm_using_subcommand man" -s V -l version -d 'Print version'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "init" -d 'Make a key, an identity and the first transports'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "identity" -d 'Show who you are: name, fingerprint, and the words to read it aloud'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "peer" -d 'Peers: whom you write to, and where they are reached'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "thread" -d 'Threads: what their messages get'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "keys" -d 'Keys: list, exchange, trust, revoke'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "send" -d 'Send a message'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "file" -d 'Files: send, take, pause, resume, give up'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "receive" -d 'Print unread messages and mark them read'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "history" -d 'Print older messages, both ways, oldest first'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "search" -d 'Search all messages, newest first'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "status" -d 'The node at a glance'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "queue" -d 'What is not yet delivered'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "transport" -d 'Transports: the ways messages can take'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "route" -d 'The path choice'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "trace" -d 'The whole story of one message: state, attempts, plan'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "daemon" -d 'Run the node in the foreground, without a screen'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "serve" -d 'Run a WebSocket relay, which keeps sealed messages for recipients that are away'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "completions" -d 'Print shell completions'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "man" -d 'Print the manual page (roff)'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and not __fish_seen_subcommand_from init identity peer thread keys send file receive history search status queue transport route trace daemon serve completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from peer" -f -a "add" -d 'Add a peer, or routes or a key to a peer'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from peer" -f -a "list" -d 'List all peers'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from peer" -f -a "show" -d 'Everything about one peer'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from peer" -f -a "set" -d 'Set what messages to a peer get that ask for nothing else'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from peer" -f -a "remove" -d 'Forget a peer; its messages stay'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from peer" -f -a "block" -d 'Refuse a peer\'s messages, and write it none'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from peer" -f -a "unblock" -d 'Undo `block`'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from peer" -f -a "mute" -d 'No notifications for this peer\'s messages'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from peer" -f -a "unmute" -d 'Undo `mute`'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from peer" -f -a "accept" -d 'Accept a stranger who wrote to you'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from thread" -f -a "set" -d 'Set what messages in a thread with a peer get that ask for nothing else'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "list" -d 'Your own key and those of your peers'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "export" -d 'Print a certificate: your own, to give it to others, or a peer\'s'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "import" -d 'Pin a certificate to a peer, new or known'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "trust" -d 'Set how far a peer is trusted, after comparing fingerprints'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "conflict" -d 'Decide what to do about a peer whose key changed'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "revoke" -d 'Revoke your own key, for good'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from file" -f -a "send" -d 'Offer a file to a peer, and send it when the peer takes it'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from file" -f -a "list" -d 'List files on their way, both ways, and those that ended lately'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from file" -f -a "accept" -d 'Take a file that a peer offers'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from file" -f -a "pause" -d 'Let a file rest, coming or going'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from file" -f -a "resume" -d 'Go on with a file that was paused, or fetch one anew that came damaged'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from file" -f -a "cancel" -d 'Give a file up, or refuse an offered one; what came of it is removed'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from queue" -f -a "list" -d 'List what is not yet delivered'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from queue" -f -a "retry" -d 'Try again now'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from queue" -f -a "release" -d 'Let go on what was held because two programs seemed to answer each other for ever'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from queue" -f -a "purge" -d 'Give up what waits'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from transport" -f -a "list" -d 'How each one is'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from transport" -f -a "enable" -d 'Switch one on'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from transport" -f -a "disable" -d 'Switch one off'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from transport" -f -a "probe" -d 'Check one now'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from transport" -f -a "priority" -d 'Raise or lower one: lower numbers go first'
complete -c skcomm -n "__fish_skcomm_using_subcommand help; and __fish_seen_subcommand_from route" -f -a "explain" -d 'What would happen to a message to this peer, and why'
