package netio

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"Buffers":    {Buffers: 100},
		"BufferSize": {BufferSize: 1},
		"MaxConns":   {MaxConns: -1},
		"LowWater":   {LowWater: 10, HighWater: 5},
		"MaxInput":   {MaxInput: -1},
		"backend":    {Backend: 9},
	} {
		if _, err := NewLoop(o, &script{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNodes(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"online": "0-1\n", "node0/cpulist": "0-1,4\n", "node1/cpulist": "2-3,5-5\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nodes, err := nodesUnder(root)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Node{{0, []int{0, 1, 4}}, {1, []int{2, 3, 5}}}; !reflect.DeepEqual(nodes, want) {
		t.Errorf("nodes are %v, want %v", nodes, want)
	}
	for cpu, want := range map[int]int{4: 0, 5: 1, 9: -1, -1: -1} {
		if node, why := memoryNode(nodes, cpu); node != want || why == "" {
			t.Errorf("processor %d: node %d (%s), want %d", cpu, node, why, want)
		}
	}
	if node, why := memoryNode(nodes[:1], 0); node != -1 || !strings.Contains(why, "no-op") {
		t.Errorf("one node: %d, %s", node, why)
	}
	if nodes, err := nodesUnder(filepath.Join(root, "missing")); err != nil || nodes != nil {
		t.Errorf("without NUMA: %v, %v", nodes, err)
	}
	if _, err := Nodes(); err != nil {
		t.Error(err)
	}
}

func FuzzParseList(f *testing.F) {
	for _, seed := range []string{"0", "0-3,7", "", "a", "3-1", "1-", "65536"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		numbers, err := parseList(text)
		if err != nil {
			return
		}
		for i, n := range numbers {
			if n < 0 || n > 1<<16 {
				t.Errorf("number %d of %q is %d", i, text, n)
			}
		}
	})
}
