package netio

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	nodesPath     = "/sys/devices/system/node"
	mpolPreferred = 1
	maxNodes      = 64
)

// Node is one NUMA node and the processors that are next to its memory.
type Node struct {
	ID   int
	CPUs []int
}

// Nodes returns the machine's NUMA nodes, in the order of their numbers; a kernel without NUMA has none.
func Nodes() ([]Node, error) {
	return nodesUnder(nodesPath)
}

func nodesUnder(root string) ([]Node, error) {
	online, err := os.ReadFile(filepath.Join(root, "online"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("netio: reading NUMA nodes: %w", err)
	}
	ids, err := parseList(string(online))
	if err != nil {
		return nil, fmt.Errorf("netio: NUMA nodes: %w", err)
	}
	nodes := make([]Node, 0, len(ids))
	for _, id := range ids {
		list, err := os.ReadFile(filepath.Join(root, "node"+strconv.Itoa(id), "cpulist"))
		if err != nil {
			return nil, fmt.Errorf("netio: reading NUMA node %d: %w", id, err)
		}
		cpus, err := parseList(string(list))
		if err != nil {
			return nil, fmt.Errorf("netio: processors of NUMA node %d: %w", id, err)
		}
		nodes = append(nodes, Node{ID: id, CPUs: cpus})
	}
	return nodes, nil
}

// parseList reads the kernel's list format, such as "0-2,7".
func parseList(text string) ([]int, error) {
	var numbers []int
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		low, high, ranged := strings.Cut(part, "-")
		if !ranged {
			high = low
		}
		first, err := strconv.ParseUint(low, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("bad list %q: %w", text, err)
		}
		last, err := strconv.ParseUint(high, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("bad list %q: %w", text, err)
		}
		for n := first; n <= last; n++ {
			numbers = append(numbers, int(n))
		}
	}
	return numbers, nil
}

// memoryNode returns the node whose memory a loop on cpu should use, or -1 where it makes no difference; why is for the log.
func memoryNode(nodes []Node, cpu int) (node int, why string) {
	if len(nodes) < 2 {
		return -1, "NUMA placement is a no-op: the machine has a single node"
	}
	for _, n := range nodes {
		for _, c := range n.CPUs {
			if c == cpu && n.ID < maxNodes {
				return n.ID, fmt.Sprintf("memory of the loop on processor %d is placed on NUMA node %d", cpu, n.ID)
			}
		}
	}
	return -1, "NUMA placement is a no-op: the loop is not pinned to a processor of a known node"
}

// preferNode asks for memory's pages on node; it is a hint, so a refusal changes nothing.
func preferNode(memory []byte, node int) {
	mask := uint64(1) << node
	_, _, _ = unix.Syscall6(unix.SYS_MBIND, uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory)), mpolPreferred,
		uintptr(unsafe.Pointer(&mask)), maxNodes+1, 0)
}
