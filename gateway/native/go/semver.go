package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

func init() {
	register("semver.newest", semverNewest)
}

const maxRangeBytes = 1024

type semverQuestion struct {
	Range  string   `json:"range"`
	Filter string   `json:"filter"`
	Rules  string   `json:"rules"`
	Tags   []string `json:"tags"`
}

// semverRules are how a program reads tags: which are versions, and which texts are no range but a name.
type semverRules struct {
	read  func(string) (*semver.Version, error)
	names func(text string, tags []string) bool
	chart bool // what is + in a version is _ in a tag
}

var semverPrograms = map[string]semverRules{
	"flux":         {read: strictWithV, names: never},
	"flux-chart":   {read: semver.StrictNewVersion, names: isWholeTag, chart: true},
	"argocd":       {read: semver.NewVersion, names: isVersionOrTag},
	"argocd-chart": {read: semver.NewVersion, names: isPinned, chart: true},
}

// semverNewest takes a range and tags: the tags of the newest version in it, by the rules of a program; none if there is none.
// They are several where versions differ in what has no precedence: build metadata, or a v before them.
func semverNewest(in []byte) ([]byte, error) {
	var asked semverQuestion
	if err := json.Unmarshal(in, &asked); err != nil {
		return nil, failf("json", "%s", err)
	}
	rules, known := semverPrograms[asked.Rules]
	if !known {
		return nil, failf("rules", "no rules are called %q", asked.Rules)
	}
	if len(asked.Range) > maxRangeBytes || len(asked.Filter) > maxRangeBytes {
		return nil, failf("range", "longer than %d bytes", maxRangeBytes)
	}
	tags, err := filtered(asked.Tags, asked.Filter)
	if err != nil {
		return nil, failf("filter", "%s", err)
	}
	text := asked.Range
	if rules.chart {
		tags = changed(tags, "_", "+")
		if text == "" {
			text = "*"
		}
	}
	found := []string{text}
	if !rules.names(text, tags) {
		if found, err = newest(text, tags, rules.read); err != nil {
			return nil, failf("range", "%s", err)
		}
	}
	if rules.chart {
		found = changed(found, "+", "_")
	}
	return json.Marshal(found)
}

func newest(text string, tags []string, read func(string) (*semver.Version, error)) ([]string, error) {
	constraint, err := semver.NewConstraint(text)
	if err != nil {
		return nil, err
	}
	found, best := []string{}, (*semver.Version)(nil)
	for _, tag := range tags {
		version, err := read(tag)
		if err != nil || !constraint.Check(version) || (best != nil && version.LessThan(best)) {
			continue
		}
		if best == nil || version.GreaterThan(best) {
			best, found = version, found[:0]
		}
		found = append(found, tag)
	}
	return found, nil
}

func filtered(tags []string, filter string) ([]string, error) {
	if filter == "" {
		return tags, nil
	}
	pattern, err := regexp.Compile(filter)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return !pattern.MatchString(tag) }), nil
}

func changed(texts []string, from, to string) []string {
	made := make([]string, len(texts))
	for i, text := range texts {
		made[i] = strings.ReplaceAll(text, from, to)
	}
	return made
}

func never(string, []string) bool {
	return false
}

// isWholeTag tells what Flux takes for one version of a chart: a tag that is one, for Helm lists no others.
func isWholeTag(text string, tags []string) bool {
	_, err := semver.StrictNewVersion(text)
	return err == nil && slices.Contains(tags, text)
}

// isVersionOrTag tells what Argo CD takes for one version of an artifact.
func isVersionOrTag(text string, tags []string) bool {
	_, err := semver.NewVersion(text)
	return err == nil || slices.Contains(tags, text)
}

// isPinned tells what Argo CD takes for one version of a chart: a version, or a tag that could be no range.
func isPinned(text string, tags []string) bool {
	if _, err := semver.NewVersion(text); err == nil {
		return true
	}
	_, err := semver.NewConstraint(text)
	return err != nil && slices.Contains(tags, text)
}

// strictWithV reads a version as Flux reads tags: whole, with a v before it or not.
func strictWithV(tag string) (*semver.Version, error) {
	if _, err := semver.StrictNewVersion(strings.TrimPrefix(tag, "v")); err != nil {
		return nil, err
	}
	return semver.NewVersion(tag)
}
