package main
import "os"
func main(){ if newClassifyCommand().Execute()!=nil {os.Exit(1)} }
