// Package command has the section `exits:` of a configuration: the commands
// that this host runs because of transfers that it receives.
//
//	exits:
//	  - {after: success, match: '\.csv$', run: [/usr/local/bin/import, "{fullFilePath}"]}
//
// Its types are read by package strict. What an exit means, and whether it can
// be meant, package rule says; a command that is one text it takes apart, and no
// shell is ever asked. The exits of azure-mft are read by [Azure.Exit].
package command

import (
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/strict"
	"mft.dev/mft/agent/exits/rule"
)

// An Entry is one exit, in mft's own words.
type Entry struct {
	strict.Place
	Phase      Phase      `yaml:"phase" also:"after" need:"yes" doc:"When it runs: pre, before a transfer is accepted, or at the source offered; post or success, for each file that was delivered; error or failure, when a transfer has failed."`
	At         End        `yaml:"at" doc:"At which end of transfers it runs: destination, of those that this host receives, or source, of those that it sends. Default: destination."`
	Agent      Source     `yaml:"agent" also:"from,source_agent,agent_name" doc:"Whose transfers it is for; at the source, to whom. Default: all; so is *."`
	Channel    Text       `yaml:"channel" doc:"The channel whose transfers it is for. Default: all."`
	Match      Text       `yaml:"match" also:"file_match" doc:"Regular expression (RE2) that must be found in the absolute path of the file. Default: every file."`
	Run        []Text     `yaml:"run" doc:"Program and arguments; {fullFilePath} and other variables stand for what was delivered. Either run or command."`
	Command    Text       `yaml:"command" doc:"The same as one text, taken apart like a shell does with quotes; no shell reads it."`
	User       Text       `yaml:"user" doc:"User that it runs as. Default: the agent's own; another needs agent.user, or an agent that is root."`
	Group      Text       `yaml:"group" doc:"Group that it runs as. Default: that of the user."`
	AllowRoot  leaf.YesNo `yaml:"allow_root" doc:"With agent.user: it may run as root. Default: false."`
	Directory  Text       `yaml:"directory" doc:"Where it runs, absolute. Default: /."`
	Umask      Text       `yaml:"umask" doc:"Three or four octal digits. Default: 077."`
	Timeout    Time       `yaml:"timeout" doc:"How long it may take. Default: 10m; for pre 10s, which is also the most."`
	Retries    Times      `yaml:"retries" doc:"How often it is run again when it failed, 0 to 100. Default: 0."`
	RetryDelay Time       `yaml:"retry_delay" doc:"How long after it failed. Default: 10s."`
	Once       leaf.YesNo `yaml:"once" doc:"Do not run it again when the agent was interrupted while it ran. Default: false."`
	Network    leaf.YesNo `yaml:"network" doc:"It may use the network. Default: false."`
	Unconfined leaf.YesNo `yaml:"unconfined" doc:"Put no walls around it: for programs that need privileges, such as sudo. Default: false."`
}

// Exit returns what the entry says, and notes for the operator. The error says
// which key is wrong.
func (e *Entry) Exit() (mft.Exit, []string, error) {
	out := mft.Exit{
		Phase: mft.ExitPhase(e.Phase), At: mft.End(e.At), From: mft.AgentName(e.Agent), Channel: string(e.Channel), Match: string(e.Match),
		User: string(e.User), Group: string(e.Group), AllowRoot: bool(e.AllowRoot), Directory: string(e.Directory), Umask: string(e.Umask),
		Timeout: time.Duration(e.Timeout), Retries: int(e.Retries), RetryDelay: time.Duration(e.RetryDelay), Once: bool(e.Once),
		Network: bool(e.Network), Unconfined: bool(e.Unconfined),
	}
	for _, arg := range e.Run {
		out.Run = append(out.Run, string(arg))
	}
	if (len(out.Run) == 0) == (e.Command == "") {
		return mft.Exit{}, nil, errors.New("want run, a list, or command, a text: one of the two")
	}
	if e.Command != "" {
		var err error
		if out.Run, err = rule.Split(string(e.Command)); err != nil {
			return mft.Exit{}, nil, fmt.Errorf("command: %w", err)
		}
	}
	_, notes, err := rule.Compile(out)
	if err != nil {
		return mft.Exit{}, nil, err
	}
	return out, notes, nil
}

// An Azure is one exit of azure-mft: the keys of its README, with those of its
// code beside them.
type Azure struct {
	strict.Place
	Agent   Any `yaml:"source_agent" also:"agent_name" doc:"Agent whose files it is for."`
	Match   Any `yaml:"file_match" doc:"Regular expression that must be found in the absolute path of the file."`
	Command Any `yaml:"command" doc:"Command; {fullFilePath} stands for the file. No shell reads it."`
}

// Exit returns what the entry says, and notes for the operator. The error says
// why it cannot be run: azure-mft took any text.
func (a *Azure) Exit() (mft.Exit, []string, error) {
	name, err := mft.ParseAgentName(string(a.Agent))
	if err != nil && a.Agent != "*" {
		return mft.Exit{}, nil, fmt.Errorf("source_agent: %s is no legal agent name, no agent can have it", strict.Clip(string(a.Agent)))
	}
	args, err := rule.Split(string(a.Command))
	if err != nil {
		return mft.Exit{}, nil, fmt.Errorf("command: %w", err)
	}
	out := mft.Exit{Phase: mft.ExitPost, From: name, Match: string(a.Match), Run: args}
	_, notes, err := rule.Compile(out)
	if err != nil {
		return mft.Exit{}, nil, err
	}
	return out, notes, nil
}

// A Document is an exit as a file would have it.
type Document struct {
	Phase      mft.ExitPhase `yaml:"phase" json:"phase"`
	At         mft.End       `yaml:"at,omitempty" json:"at,omitempty"`
	Agent      mft.AgentName `yaml:"agent,omitempty" json:"agent,omitempty"`
	Channel    string        `yaml:"channel,omitempty" json:"channel,omitempty"`
	Match      string        `yaml:"match,omitempty" json:"match,omitempty"`
	Run        []string      `yaml:"run,flow" json:"run"`
	User       string        `yaml:"user,omitempty" json:"user,omitempty"`
	Group      string        `yaml:"group,omitempty" json:"group,omitempty"`
	AllowRoot  bool          `yaml:"allow_root,omitempty" json:"allow_root,omitempty"`
	Directory  string        `yaml:"directory,omitempty" json:"directory,omitempty"`
	Umask      string        `yaml:"umask,omitempty" json:"umask,omitempty"`
	Timeout    string        `yaml:"timeout,omitempty" json:"timeout,omitempty"`
	Retries    int           `yaml:"retries,omitempty" json:"retries,omitempty"`
	RetryDelay string        `yaml:"retry_delay,omitempty" json:"retry_delay,omitempty"`
	Once       bool          `yaml:"once,omitempty" json:"once,omitempty"`
	Network    bool          `yaml:"network,omitempty" json:"network,omitempty"`
	Unconfined bool          `yaml:"unconfined,omitempty" json:"unconfined,omitempty"`
}

// DocumentOf returns e as a file would have it; what e leaves out has its
// default there too.
func DocumentOf(e mft.Exit) Document {
	return Document{
		Phase: e.Phase, At: e.At, Agent: e.From, Channel: e.Channel, Match: e.Match, Run: e.Run, User: e.User, Group: e.Group, AllowRoot: e.AllowRoot,
		Directory: e.Directory, Umask: e.Umask, Timeout: duration(e.Timeout), Retries: e.Retries,
		RetryDelay: duration(e.RetryDelay), Once: e.Once, Network: e.Network, Unconfined: e.Unconfined,
	}
}

func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
